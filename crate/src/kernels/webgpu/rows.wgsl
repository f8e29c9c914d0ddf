// The row of a direction at a position in a packed matrix, or −1 if it has none.
fn row_in_from(pos: u32, direction: i32) -> i32 {
    let has = direction >= from_rows[3u * pos] && direction < from_rows[3u * pos + 1u];
    return select(-1, from_rows[3u * pos + 2u] + direction, has);
}
fn row_in_to(pos: u32, direction: i32) -> i32 {
    let has = direction >= to_rows[3u * pos] && direction < to_rows[3u * pos + 1u];
    return select(-1, to_rows[3u * pos + 2u] + direction, has);
}
