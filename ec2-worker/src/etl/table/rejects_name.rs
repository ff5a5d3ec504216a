//! The name of the table for refused rows beside a table.

/// The longest name in PostgreSQL, in bytes.
const LONGEST: usize = 63;
const ENDING: &str = "_rejects";

/// Returns the name of the table for the refused rows of the table `name`, in the same schema.
///
/// PostgreSQL cuts a name after 63 bytes. So a long name is cut here, and gets a hash, because the names of two tables may have the
/// same beginning.
#[must_use]
pub fn rejects_name(name: &str) -> String {
    let space = LONGEST - ENDING.len();
    if name.len() <= space {
        return format!("{name}{ENDING}");
    }
    let hash = format!("_{:08x}", hash(name));
    let mut end = space - hash.len();
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{hash}{ENDING}", &name[..end])
}

/// Returns the hash FNV-1a, which is the same in every version of this program.
fn hash(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_with_long_names_have_different_tables_for_refused_rows() {
        assert_eq!(rejects_name("orders"), "orders_rejects");
        assert_eq!(rejects_name(&"a".repeat(55)), format!("{}_rejects", "a".repeat(55)));
        let long = "a".repeat(60);
        let [one, other] = [format!("{long}001"), format!("{long}002")].map(|of| rejects_name(&of));
        assert!(one.len() == 63 && other.len() == 63 && one != other, "{one} {other}");
        assert!(rejects_name(&"é".repeat(31)).len() <= 63);
        assert_eq!(hash("foobar"), 0xbf9c_f968, "a published value");
    }
}
