//! The kept nodes of the tree.

use deadpool_postgres::Object;

use super::StoreError;
use super::session::begin_reading;
use super::view::View;
use crate::record::RecordError;
use crate::record::row::to_signed;
use checkpoint::log::tree::{Node, NodeId, TreeHash};

/// Writes the nodes that a batch completed, if any.
pub(super) async fn keep(client: &Object, nodes: &[Node]) -> Result<(), StoreError> {
    if nodes.is_empty() {
        return Ok(());
    }
    let sql = "INSERT INTO checkpoint_signer.tree_node (level, position, hash) \
               SELECT * FROM unnest($1::integer[], $2::bigint[], $3::bytea[])";
    let statement = client.prepare_cached(sql).await?;
    let ids = || nodes.iter().map(|node| node.id);
    let levels: Vec<i32> = ids().map(|id| id.level.into()).collect();
    let positions: Vec<i64> = ids().map(|id| to_signed(id.position)).collect();
    let hashes: Vec<&[u8]> = nodes.iter().map(|n| n.hash.as_bytes().as_slice()).collect();
    client
        .execute(&statement, &[&levels, &positions, &hashes])
        .await?;
    Ok(())
}

/// Nodes of the level of `first`, from it on.
pub(super) async fn read(
    client: &mut Object,
    first: NodeId,
    limit: u32,
    view: &View,
) -> Result<Vec<Node>, StoreError> {
    let mark = view.mark();
    let transaction = begin_reading(client).await?;
    let sql = "SELECT position, hash FROM checkpoint_signer.tree_node WHERE level = $1 AND position >= $2 \
               ORDER BY position LIMIT $3";
    let statement = transaction.prepare_cached(sql).await?;
    let (level, position) = (i32::from(first.level), to_signed(first.position));
    let rows = transaction
        .query(&statement, &[&level, &position, &i64::from(limit)])
        .await?;
    // Whoever asks has asked for the head before, and that was durable.
    let found = view.look(&transaction, &mark).await?;
    view.guard(&transaction, &mark, &found, None).await?;
    let read = |row: &tokio_postgres::Row| {
        let (position, hash): (i64, &[u8]) = (row.try_get(0)?, row.try_get(1)?);
        let (level, position) = (first.level, position.unsigned_abs());
        let damaged = |_| {
            let problem = format!("tree node {position} of level {level} is not of 32 bytes");
            RecordError::Damaged(problem)
        };
        let hash: [u8; 32] = hash.try_into().map_err(damaged)?;
        let (id, hash) = (NodeId { level, position }, TreeHash::from(hash));
        Ok(Node { id, hash })
    };
    rows.iter().map(read).collect()
}
