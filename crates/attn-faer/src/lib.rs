//! Attention over faer's matmul
