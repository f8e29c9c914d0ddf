// Where a score is among those of a row at its key, and of a row at its query.
fn at_key(row: u32, query: u32, key: u32, head: u32) -> u32 {
    return (row * (info.n_pos + 1u) + query - key) * info.n_head + head;
}
fn at_query(row: u32, query: u32, key: u32, head: u32) -> u32 {
    return (row * (info.n_pos + 1u) + info.n_pos - query + key) * info.n_head + head;
}
