//! Starting programs, and ending whole process groups.
