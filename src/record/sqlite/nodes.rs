//! The kept nodes of the tree.

use rusqlite::{Connection, Transaction, params};

use crate::record::RecordError;
use crate::record::row::to_signed;
use checkpoint::log::tree::{Node, NodeId, TreeHash};

/// Writes the nodes that a batch completed.
pub(super) fn keep(transaction: &Transaction, nodes: &[Node]) -> Result<(), RecordError> {
    let mut statement = transaction
        .prepare_cached("INSERT INTO tree_node (level, position, hash) VALUES (?1, ?2, ?3)")?;
    for Node { id, hash } in nodes {
        let position = to_signed(id.position);
        statement.execute(params![id.level, position, hash.as_bytes()])?;
    }
    Ok(())
}

/// Nodes of the level of `first`, from it on.
pub(super) fn read(
    connection: &Connection,
    first: NodeId,
    limit: u32,
) -> Result<Vec<Node>, RecordError> {
    let mut statement = connection.prepare_cached(
        "SELECT position, hash FROM tree_node WHERE level = ?1 AND position >= ?2 ORDER BY position LIMIT ?3",
    )?;
    let level = first.level;
    let nodes = statement.query_map(params![level, to_signed(first.position), limit], |row| {
        let (position, hash): (i64, [u8; 32]) = (row.get(0)?, row.get(1)?);
        let position = position.unsigned_abs();
        let (id, hash) = (NodeId { level, position }, TreeHash::from(hash));
        Ok(Node { id, hash })
    })?;
    Ok(nodes.collect::<Result<_, _>>()?)
}
