//! Compiled filters, run by an interpreter and held against three others: the rules read plainly
//! (`naive`), libseccomp (`oracle`), and Docker's own default profile.

mod default;
mod docker;
mod hostile;
mod libseccomp;
mod machine;
mod naive;
mod oracle;
mod random;
mod semantics;
