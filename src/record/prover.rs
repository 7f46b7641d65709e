//! Reads from a record what a proof takes, and makes it. What is read is bounded, however many rows there are.

use super::{Filter, Record, RecordError};
use checkpoint::log::proof::{FoundNodes, NodeRun, ProofPlan};
use checkpoint::log::tree::{Node, NodeId, TreeHash};

/// Makes a proof over the rows of a record.
///
/// # Errors
/// [`RecordError::Damaged`] when a row or a node is missing that the plan takes; it must not take any beyond the head.
pub async fn prove(record: &dyn Record, plan: &ProofPlan) -> Result<Vec<TreeHash>, RecordError> {
    let mut found = FoundNodes::default();
    for run in plan.needs() {
        match run.first.level {
            0 => read_leaves(record, run, &mut found).await?,
            _ => read_nodes(record, run, &mut found).await?,
        }
    }
    let missing = || RecordError::Damaged("a row or a node of the tree is missing".into());
    plan.prove(&found).ok_or_else(missing)
}

async fn read_nodes(
    record: &dyn Record,
    run: NodeRun,
    found: &mut FoundNodes,
) -> Result<(), RecordError> {
    let limit = u32::try_from(run.count).unwrap_or(u32::MAX);
    let nodes = record.tree_nodes(run.first, limit).await?;
    nodes.into_iter().for_each(|node| found.add(node));
    Ok(())
}

async fn read_leaves(
    record: &dyn Record,
    run: NodeRun,
    found: &mut FoundNodes,
) -> Result<(), RecordError> {
    // A position counts from 1, so that this is the row before the first.
    let (mut after, end) = (run.first.position, run.first.position + run.count);
    while after < end {
        let limit = u32::try_from(end - after).unwrap_or(u32::MAX);
        let rows = record.list(&Filter::default(), after, limit).await?.rows;
        let Some(last) = rows.last() else {
            return Ok(());
        };
        after = last.position;
        // A page may have half a megabyte to hash.
        let leaves = tokio::task::spawn_blocking(move || {
            let leaf = |row: checkpoint::history::Receipt| {
                let position = row.position - 1;
                let id = NodeId { level: 0, position };
                let hash = TreeHash::of(&row.signed);
                Node { id, hash }
            };
            rows.into_iter().map(leaf).collect::<Vec<_>>()
        });
        let ended = |_| RecordError::Unavailable("the task that hashes was ended".into());
        let leaves = leaves.await.map_err(ended)?;
        leaves.into_iter().for_each(|leaf| found.add(leaf));
    }
    Ok(())
}
