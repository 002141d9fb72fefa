//! fanout runs independent HTTP calls, SQL queries and SFTP fetches at once, within what each server can bear, and shows
//! the overlap. So far: the gather layer, on tokio and tracing alone.

pub mod gather;
pub use gather::gather;
