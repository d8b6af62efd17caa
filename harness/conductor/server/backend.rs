//! Where a server keeps what it knows.

/// The data base of a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Backend {
    /// A file in the server's folder.
    #[default]
    Sqlite,
    /// A data base that is there; the server makes its tables.
    Postgres {
        /// `HOST:PORT/DATABASE`
        address: String,
        user: String,
        password: String,
    },
    /// The quickest, and without an index: it cannot search, finds no run by its correlation id, and drops the logs of
    /// tasks.
    Redis {
        /// `HOST:PORT`
        address: String,
    },
}

impl Backend {
    /// The server's settings for it.
    ///
    /// A transaction that reads and then writes fails at once in SQLite if another one wrote meanwhile, whatever the
    /// time limit for locks; the server ends the workflow then ("Error scheduling tasks"). So all of them ask for the
    /// lock at their beginning (IMMEDIATE). Commits are not forced to the disk one by one (NORMAL): a killed server
    /// loses none, and a power failure the last ones.
    pub(super) fn properties(&self) -> String {
        match self {
            Self::Sqlite => "\
spring.datasource.url=jdbc:sqlite:conductor.db?busy_timeout=15000&journal_mode=WAL&synchronous=NORMAL&transaction_mode=IMMEDIATE
conductor.db.type=sqlite
conductor.queue.type=sqlite
conductor.indexing.type=sqlite
"
            .to_owned(),
            Self::Postgres { address, user, password } => format!(
                "\
spring.datasource.url=jdbc:postgresql://{address}
spring.datasource.username={user}
spring.datasource.password={password}
conductor.db.type=postgres
conductor.queue.type=postgres
conductor.indexing.type=postgres
"
            ),
            // The last part is a zone, which the server wants to have.
            Self::Redis { address } => format!(
                "\
conductor.redis.hosts={address}:us-east-1c
conductor.db.type=redis_standalone
conductor.queue.type=redis_standalone
conductor.indexing.enabled=false
"
            ),
        }
    }
}
