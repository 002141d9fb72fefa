//! What the server says of a query before it runs: its columns and the types of its parameters. Not here: running it.

use super::rows::TextRows;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgConnection, PgTypeInfo};
use sqlx::{AssertSqlSafe, Either, Executor, SqlSafeStr, Statement};

/// A query that the server has found to be one statement without mistakes.
pub(super) struct Prepared {
    /// Its columns, if they are known before the first row.
    pub(super) rows: Option<TextRows>,
    /// The types of its parameters.
    pub(super) parameters: Vec<Oid>,
}

/// An error, and the number of characters that were sent before the query.
pub(super) type Error = (sqlx::Error, usize);

/// What stands before a query that sqlx can't describe.
const HEAD: &str = "prepare fanout_described as ";

/// Asks the server about a query.
pub(super) async fn prepare(connection: &mut PgConnection, query: &str) -> Result<Prepared, Error> {
    let text = AssertSqlSafe(query).into_sql_str();
    match (&mut *connection).prepare(text).await {
        Ok(prepared) => {
            let types = match prepared.parameters() {
                Some(Either::Left(types)) => types.iter().filter_map(PgTypeInfo::oid).collect(),
                _ => Vec::new(),
            };
            Ok(Prepared { rows: Some(TextRows::new(prepared.columns())), parameters: types })
        }
        Err(sqlx::Error::ColumnDecode { .. } | sqlx::Error::TypeNotFound { .. }) => {
            undescribed(connection, query).await
        }
        Err(error) => Err((error, 0)),
    }
}

/// The same where a type is one that sqlx knows nothing of (up to 0.9.0 the multiranges): then the columns are known
/// from the first row.
async fn undescribed(connection: &mut PgConnection, query: &str) -> Result<Prepared, Error> {
    let prepare = sqlx::query(AssertSqlSafe(format!("{HEAD}{query}"))).persistent(false);
    prepare.execute(&mut *connection).await.map_err(|error| (error, HEAD.len()))?;
    let types = "select parameter_types::oid[] from pg_catalog.pg_prepared_statements where name = 'fanout_described'";
    let described = sqlx::query_scalar(types).fetch_one(&mut *connection).await;
    let done = sqlx::raw_sql("deallocate fanout_described").execute(connection).await;
    let parameters = described.and_then(|types| done.map(|_| types)).map_err(|error| (error, 0))?;
    Ok(Prepared { rows: None, parameters })
}
