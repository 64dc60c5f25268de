//! Attention over ndarray and matrixmultiply
