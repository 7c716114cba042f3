use std::path::PathBuf;

use rusqlite::ErrorCode;
use stdx::Kind;
use stdx::fs::PathError;

/// What can go wrong with the database.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// The file was written by a later version of the program.
    #[error(
        "failed to open database `{}`: it has schema version {found}, and this program knows \
         {known}; use the program that wrote it, or a newer one", path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema version.
        found: u32,
        /// The latest one that is known.
        known: u32,
    },
    /// The file cannot be opened.
    #[error("failed to open database `{}`", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        cause: rusqlite::Error,
    },
    /// The file cannot be made.
    #[error("failed to make a database")]
    Make(#[source] PathError),
    /// The file cannot be brought to the next schema version; it is as it was.
    #[error("failed to bring database `{}` to schema version {version}", path.display())]
    Migrate {
        /// The file.
        path: PathBuf,
        /// The version to come.
        version: u32,
        /// Why not.
        #[source]
        cause: rusqlite::Error,
    },
    /// A damaged file cannot be renamed.
    #[error("failed to move a damaged database aside")]
    MoveAside(#[source] PathError),
    /// A document cannot be accessed.
    #[error("failed to {action} document `{document}`")]
    Document {
        /// A verb.
        action: &'static str,
        /// `kind/id`, or `kind/*`.
        document: String,
        /// Why not.
        #[source]
        cause: rusqlite::Error,
    },
    /// A value has no JSON form.
    #[error("failed to turn document `{document}` into JSON")]
    Encode {
        /// `kind/id`.
        document: String,
        /// Why not.
        #[source]
        cause: serde_json::Error,
    },
    /// A document is not what its kind says.
    #[error("failed to understand document `{document}`")]
    Decode {
        /// `kind/id`.
        document: String,
        /// Why not.
        #[source]
        cause: serde_json::Error,
    },
    /// A transaction cannot begin or end.
    #[error("failed to {action} a transaction")]
    Transaction {
        /// A verb.
        action: &'static str,
        /// Why not.
        #[source]
        cause: rusqlite::Error,
    },
}

impl DbError {
    /// What sort of failure this is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Newer { .. } => Kind::Unsupported,
            Self::Open { cause, .. }
            | Self::Migrate { cause, .. }
            | Self::Document { cause, .. }
            | Self::Transaction { cause, .. } => match cause.sqlite_error_code() {
                Some(ErrorCode::DiskFull) => Kind::Exhausted,
                Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Kind::Unavailable,
                _ => Kind::Internal,
            },
            Self::Make(_) | Self::MoveAside(_) | Self::Encode { .. } | Self::Decode { .. } => {
                Kind::Internal
            }
        }
    }
}
