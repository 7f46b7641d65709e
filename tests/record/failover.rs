//! Fail-overs of PostgreSQL: standbys that lag are promoted, wait and are waited for, and former primaries return. Nothing that
//! was handed out is lost, and no place is given twice.

mod former;
mod hosts;
mod promotion;
mod revoked;
mod servers;
mod stall;
mod told;
mod waits;
mod wire;
