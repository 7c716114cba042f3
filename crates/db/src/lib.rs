//! One embedded database: a SQLite file with schema versions, and JSON documents in it.
//!
//! # Glossary
//! - *document*: a JSON value under a *kind* (`container`) and an *id*; described in
//!   `docs/formats/db.md`.
//! - *schema version*: how many migrations a file has seen, kept in SQLite's `user_version`.
//! - *moved aside*: a file that is no database any more is renamed, and a new one is begun; who
//!   opens it is told, and fills it from what else it knows.
//!
//! A write survives the death of the process at once, and a power cut after the next checkpoint;
//! a power cut never damages the file. Callers that need more keep it on disk themselves.
//!
//! # What this crate does not know
//! What the documents mean. There is one connection, used by one thread at a time: operations take
//! some tens of microseconds, so the engine has nothing to gain from more.

mod error;
mod open;

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use error::DbError;
pub use open::{Migration, Opened};
pub use rusqlite;

/// An open database.
#[derive(Debug)]
pub struct Db {
    connection: Mutex<Connection>,
}

/// A transaction that others see as a whole or not at all. See [`Db::transaction`].
#[derive(Clone, Copy, Debug)]
pub struct Tx<'a> {
    connection: &'a Connection,
}

impl Db {
    /// Opens or makes the database at `path` and brings it to the schema version
    /// `migrations.len()`. The directory must exist; the file is readable for its owner only.
    ///
    /// The whole file is checked. One that is damaged is moved aside: see [`Opened::moved_aside`].
    ///
    /// # Errors
    /// [`DbError::Newer`], [`DbError::Open`], [`DbError::Migrate`], [`DbError::MoveAside`].
    pub fn open(path: &Path, migrations: &[Migration]) -> Result<Opened, DbError> {
        open::open(path, migrations)
    }

    /// The document, if there is one.
    ///
    /// # Errors
    /// [`DbError::Document`], [`DbError::Decode`].
    pub fn get<T: DeserializeOwned>(&self, kind: &str, id: &str) -> Result<Option<T>, DbError> {
        Tx { connection: &self.lock() }.get(kind, id)
    }

    /// All documents of a kind with their ids, in the order of the ids.
    ///
    /// # Errors
    /// [`DbError::Document`], [`DbError::Decode`].
    pub fn list<T: DeserializeOwned>(&self, kind: &str) -> Result<Vec<(String, T)>, DbError> {
        Tx { connection: &self.lock() }.list(kind)
    }

    /// Makes or replaces a document.
    ///
    /// # Errors
    /// [`DbError::Document`], [`DbError::Encode`].
    pub fn put<T: Serialize>(&self, kind: &str, id: &str, value: &T) -> Result<(), DbError> {
        // Turned into text outside of the lock.
        let body = encode(kind, id, value)?;
        Tx { connection: &self.lock() }.put_text(kind, id, &body)
    }

    /// Removes a document; whether there was one.
    ///
    /// # Errors
    /// [`DbError::Document`].
    pub fn delete(&self, kind: &str, id: &str) -> Result<bool, DbError> {
        Tx { connection: &self.lock() }.delete(kind, id)
    }

    /// Does several things as one. If `body` fails, or panics, nothing has happened.
    ///
    /// Inside, use the [`Tx`]: this database itself would wait for its own lock for ever.
    ///
    /// # Errors
    /// Those of `body`, and [`DbError::Transaction`].
    pub fn transaction<T, E: From<DbError>>(
        &self,
        body: impl FnOnce(Tx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut connection = self.lock();
        let failed = |action| move |cause| DbError::Transaction { action, cause };
        // Taking the right to write first spares a conflict in the middle.
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(failed("begin"))?;
        let value = body(Tx { connection: &transaction })?;
        transaction.commit().map_err(failed("commit"))?;
        Ok(value)
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        // A panic in a transaction has rolled it back; the connection itself is whole.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'a> Tx<'a> {
    /// See [`Db::get`].
    ///
    /// # Errors
    /// [`DbError::Document`], [`DbError::Decode`].
    pub fn get<T: DeserializeOwned>(&self, kind: &str, id: &str) -> Result<Option<T>, DbError> {
        let body: Option<String> = self
            .connection
            .prepare_cached("SELECT body FROM documents WHERE kind = ?1 AND id = ?2")
            .and_then(|mut query| query.query_row([kind, id], |row| row.get(0)).optional())
            .map_err(failed("read", kind, id))?;
        body.map(|body| decode(kind, id, &body)).transpose()
    }

    /// See [`Db::list`].
    ///
    /// # Errors
    /// [`DbError::Document`], [`DbError::Decode`].
    pub fn list<T: DeserializeOwned>(&self, kind: &str) -> Result<Vec<(String, T)>, DbError> {
        let rows: Vec<(String, String)> = self
            .connection
            .prepare_cached("SELECT id, body FROM documents WHERE kind = ?1 ORDER BY id")
            .and_then(|mut query| {
                query.query_map([kind], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
            })
            .map_err(failed("list", kind, "*"))?;
        rows.into_iter()
            .map(|(id, body)| decode(kind, &id, &body).map(|value| (id, value)))
            .collect()
    }

    /// See [`Db::put`].
    ///
    /// # Errors
    /// [`DbError::Document`], [`DbError::Encode`].
    pub fn put<T: Serialize>(&self, kind: &str, id: &str, value: &T) -> Result<(), DbError> {
        self.put_text(kind, id, &encode(kind, id, value)?)
    }

    /// See [`Db::delete`].
    ///
    /// # Errors
    /// [`DbError::Document`].
    pub fn delete(&self, kind: &str, id: &str) -> Result<bool, DbError> {
        self.connection
            .prepare_cached("DELETE FROM documents WHERE kind = ?1 AND id = ?2")
            .and_then(|mut statement| statement.execute([kind, id]))
            .map(|count| count > 0)
            .map_err(failed("delete", kind, id))
    }

    /// The connection, for tables that a [`Migration`] made.
    pub fn sql(&self) -> &'a Connection {
        self.connection
    }

    fn put_text(&self, kind: &str, id: &str, body: &str) -> Result<(), DbError> {
        const PUT: &str = "INSERT INTO documents (kind, id, body) VALUES (?1, ?2, ?3) \
            ON CONFLICT (kind, id) DO UPDATE SET body = excluded.body";
        self.connection
            .prepare_cached(PUT)
            .and_then(|mut statement| statement.execute(params![kind, id, body]))
            .map(drop)
            .map_err(failed("write", kind, id))
    }
}

fn encode<T: Serialize>(kind: &str, id: &str, value: &T) -> Result<String, DbError> {
    serde_json::to_string(value)
        .map_err(|cause| DbError::Encode { document: format!("{kind}/{id}"), cause })
}

fn decode<T: DeserializeOwned>(kind: &str, id: &str, body: &str) -> Result<T, DbError> {
    serde_json::from_str(body)
        .map_err(|cause| DbError::Decode { document: format!("{kind}/{id}"), cause })
}

/// For use with `map_err`.
fn failed<'a>(
    action: &'static str,
    kind: &'a str,
    id: &'a str,
) -> impl FnOnce(rusqlite::Error) -> DbError + 'a {
    move |cause| DbError::Document { action, document: format!("{kind}/{id}"), cause }
}

#[cfg(test)]
mod tests;
