use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};
use stdx::fs::PathError;

use crate::Db;
use crate::error::DbError;

/// How long another process (a diagnosis, a backup) may hold the file.
const BUSY: Duration = Duration::from_secs(5);

/// The statements of this crate, and some of the caller's.
const STATEMENTS_CACHED: usize = 64;

/// The write-ahead log is cut to this after a checkpoint, so that one burst does not stay on disk.
const LOG_BYTES_KEPT: i64 = 8 << 20;

/// One step of a schema; its place in the list is its version, so a list only grows at its end.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// SQL statements, run in one transaction.
    pub sql: &'static str,
}

/// An open database, and what became of the one before.
#[derive(Debug)]
pub struct Opened {
    /// The database.
    pub db: Db,
    /// Where the former file is, if it was damaged; the database is then a new and empty one.
    pub moved_aside: Option<PathBuf>,
}

pub(crate) fn open(path: &Path, migrations: &[Migration]) -> Result<Opened, DbError> {
    let (connection, moved_aside) = match connect(path) {
        Err(Failure::Damaged) => {
            let aside = move_aside(path)?;
            (connect(path).map_err(|failure| failure.of(path))?, Some(aside))
        }
        other => (other.map_err(|failure| failure.of(path))?, None),
    };
    let connection = migrate(connection, path, migrations)?;
    Ok(Opened { db: Db { connection: Mutex::new(connection) }, moved_aside })
}

enum Failure {
    Damaged,
    Make(PathError),
    Sqlite(rusqlite::Error),
}

impl Failure {
    fn of(self, path: &Path) -> DbError {
        let cause = match self {
            Self::Make(cause) => return DbError::Make(cause),
            Self::Sqlite(cause) => cause,
            // A file that we have just made; the disk is to blame.
            Self::Damaged => rusqlite::Error::SqliteFailure(
                rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT),
                None,
            ),
        };
        DbError::Open { path: path.to_owned(), cause }
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged,
            _ => Self::Sqlite(error),
        }
    }
}

/// Opens and checks the file, and makes the table of documents.
fn connect(path: &Path) -> Result<Connection, Failure> {
    // SQLite gives its other files the mode of this one.
    let made = OpenOptions::new().create(true).append(true).mode(0o600).open(path);
    made.map_err(|cause| Failure::Make(PathError::of("create", path)(cause)))?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
    connection.execute_batch(&format!(
        "PRAGMA journal_mode = WAL;
         PRAGMA synchronous = NORMAL;
         PRAGMA foreign_keys = ON;
         PRAGMA trusted_schema = OFF;
         PRAGMA cell_size_check = ON;
         PRAGMA journal_size_limit = {LOG_BYTES_KEPT};"
    ))?;
    let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if verdict != "ok" {
        return Err(Failure::Damaged);
    }
    connection.execute_batch(
        "CREATE TABLE IF NOT EXISTS documents (
             kind TEXT NOT NULL,
             id TEXT NOT NULL,
             body TEXT NOT NULL,
             PRIMARY KEY (kind, id)
         ) STRICT;",
    )?;
    Ok(connection)
}

fn migrate(
    mut connection: Connection,
    path: &Path,
    migrations: &[Migration],
) -> Result<Connection, DbError> {
    let read = |connection: &Connection| {
        connection.query_row("PRAGMA user_version", [], |row| row.get::<_, u32>(0))
    };
    let found =
        read(&connection).map_err(|cause| DbError::Open { path: path.to_owned(), cause })?;
    let known = migrations.len() as u32;
    if found > known {
        return Err(DbError::Newer { path: path.to_owned(), found, known });
    }
    for (version, migration) in (1..).zip(migrations).skip(found as usize) {
        let mut step = || {
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            // Another process may have been faster.
            if read(&transaction)? < version {
                transaction.execute_batch(migration.sql)?;
                transaction.pragma_update(None, "user_version", version)?;
            }
            transaction.commit()
        };
        step().map_err(|cause| DbError::Migrate { path: path.to_owned(), version, cause })?;
    }
    Ok(connection)
}

/// Renames the file and its companions; the new name of the file.
fn move_aside(path: &Path) -> Result<PathBuf, DbError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let aside = suffixed(path, &format!(".corrupt-{}", now.as_millis()));
    // The companions first: with them gone, a second attempt after a crash finds the same file.
    for companion in ["-wal", "-shm", ""] {
        let (from, to) = (suffixed(path, companion), suffixed(&aside, companion));
        match std::fs::rename(&from, &to) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => {
                return Err(DbError::MoveAside(PathError::of("rename", &from)(cause)));
            }
            _ => {}
        }
    }
    Ok(aside)
}

fn suffixed(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
