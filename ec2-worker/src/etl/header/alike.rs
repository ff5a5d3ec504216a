//! Compares names: without capital letters, spaces, underscores and hyphens, and no further than PostgreSQL keeps a name.

/// The length of the longest name in PostgreSQL, which cuts longer ones.
const LONGEST_NAME: usize = 63;

/// Returns whether `names` has a name that may mean the same column as `name`.
#[must_use]
pub fn has_alike(names: &[String], name: &str) -> bool {
    let wanted = short(name);
    names.iter().any(|other| short(other) == wanted)
}

/// Returns a name in lower case without spaces, underscores and hyphens.
pub(in crate::etl) fn loose(name: &str) -> String {
    letters(name).collect()
}

fn letters(name: &str) -> impl Iterator<Item = char> {
    let kept = name.chars().filter(|letter| !letter.is_whitespace() && !matches!(letter, '_' | '-'));
    kept.flat_map(char::to_lowercase)
}

/// Returns whether a name is `known` in lower case without spaces, underscores and hyphens.
pub(in crate::etl) fn is_loosely(name: &str, known: &str) -> bool {
    letters(name).eq(known.chars())
}

/// Returns [`loose`] of the part of a name that a column keeps, if the column has the name in lower case with `_` for spaces.
pub(super) fn short(name: &str) -> String {
    let name = name.trim();
    if name.len() <= LONGEST_NAME / 3 {
        // Lower case makes no letter more than three times as long.
        return loose(name);
    }
    let letters = name.chars().flat_map(char::to_lowercase);
    let name: String = letters.map(|letter| if letter.is_whitespace() { '_' } else { letter }).collect();
    loose(cut(&name))
}

/// Cuts a name after 63 bytes, as PostgreSQL does.
pub(super) fn cut(name: &str) -> &str {
    let mut end = name.len().min(LONGEST_NAME);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    &name[..end]
}

#[cfg(test)]
mod tests {
    use definition::kind::field::OnColumns;

    use super::super::super::column::Column;
    use super::super::{Target, WrongHeader, by_name};

    fn target(names: &[&str]) -> Target {
        let columns = names.iter().map(|name| Column::of_text(*name)).collect();
        Target { columns, generated: Vec::new(), on_columns: OnColumns::Strict }
    }

    fn fitted(header: &[&str], table: &[&str], declared: &[&str]) -> Result<Vec<String>, String> {
        let texts = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let fit = by_name(&texts(header), &target(table), &texts(declared));
        let fit = fit.map_err(|WrongHeader(problems)| problems.join("; "))?;
        Ok(fit.columns.into_iter().map(|column| column.name).collect())
    }

    #[test]
    fn a_long_name_with_blanks_means_the_column_that_postgresql_cut() {
        let long = format!("Answer to the question{}", " how often".repeat(6));
        let made = long.to_lowercase().replace(' ', "_");
        let table = ["id", &made[..63]];
        assert_eq!(fitted(&[&long, "id"], &table, &[]), Ok(vec![table[1].to_owned(), "id".to_owned()]));
    }

    #[test]
    fn names_that_postgresql_cuts_to_one_are_told_apart_by_their_places() {
        let stem = "x".repeat(63);
        let (first, second) = (format!("{stem}_first"), format!("{stem}_second"));
        let other = format!("{}_2", &stem[..57]);
        let table = [stem.as_str(), "id", other.as_str()];
        let wanted = Ok(table.map(str::to_owned).to_vec());
        assert_eq!(fitted(&[&first, "id", &second], &table, &table), wanted);
        let refused = fitted(&[&first, "id", &second], &table, &[]).expect_err("one name of PostgreSQL");
        assert!(refused.contains("which keeps the first 63 bytes"), "{refused}");
        assert!(refused.contains("name all columns in order by `column`"), "{refused}");
    }
}
