//! Asking a metadata node's database, as an operator would.

use sqlx::{
    ConnectOptions as _, Connection as _, Row as _, postgres::PgConnectOptions, sqlite::SqliteConnectOptions,
};

/// The first column of the first row that `query` gives, as a number. `url` is a `database` of `services.json`.
///
/// # Errors
/// If the database does not answer, or not with a number.
pub async fn number(url: &str, query: &'static str) -> Result<i64, sqlx::Error> {
    if let Some(path) = url.strip_prefix("sqlite:") {
        let mut connection = SqliteConnectOptions::new().filename(path).read_only(true).connect().await?;
        let value = sqlx::query(query).fetch_one(&mut connection).await?.try_get(0);
        connection.close().await?;
        value
    } else {
        let mut connection = url.parse::<PgConnectOptions>()?.connect().await?;
        let value = sqlx::query(query).fetch_one(&mut connection).await?.try_get(0);
        connection.close().await?;
        value
    }
}
