//! Every bound of the system in one place, with the relations between them proved at compile time.
