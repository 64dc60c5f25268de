//! The harness: cases, selection, checking, measuring, records. Knows no backend
