//! What two sequences have in common. It does not know what they are of.

/// The longest common subsequence of two sequences of these lengths.
pub(super) fn longest_common(
    rows: usize,
    columns: usize,
    mut same: impl FnMut(usize, usize) -> bool,
) -> Vec<(usize, usize)> {
    let width = columns + 1;
    let mut table = vec![0_u32; (rows + 1) * width];
    let mut equal = vec![false; rows * columns];
    for r in (0..rows).rev() {
        for c in (0..columns).rev() {
            equal[r * columns + c] = same(r, c);
            table[r * width + c] = if equal[r * columns + c] {
                table[(r + 1) * width + c + 1] + 1
            } else {
                table[(r + 1) * width + c].max(table[r * width + c + 1])
            };
        }
    }
    let (mut r, mut c, mut common) = (0, 0, Vec::new());
    while r < rows && c < columns {
        if equal[r * columns + c] {
            common.push((r, c));
            (r, c) = (r + 1, c + 1);
        } else if table[(r + 1) * width + c] >= table[r * width + c + 1] {
            r += 1;
        } else {
            c += 1;
        }
    }
    common
}
