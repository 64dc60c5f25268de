//! What must hold across crates. The tests are in `all/`; the cases and golden files, which are built
//! into the program too, are in `cases/` and `golden/`.
