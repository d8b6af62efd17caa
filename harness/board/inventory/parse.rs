//! From text to [`Expression`]: the tokens, and one function for each rule of the grammar.

use std::fmt;
use std::str::FromStr;

use super::expression::{Expression, ExpressionError, Key, is_of_word};

/// The deepest nesting of parentheses and `not` that is read.
const DEEPEST: usize = 64;

impl FromStr for Expression {
    type Err = ExpressionError;

    fn from_str(text: &str) -> Result<Self, ExpressionError> {
        let mut parser = Parser { text, tokens: tokens(text)?, at: 0, depth: 0 };
        let expression = parser.any()?;
        match parser.peek() {
            Token::End => Ok(expression),
            _ => Err(parser.error("`and`, `or` or the end")),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Text(String),
    Equal,
    Unequal,
    Open,
    Close,
    End,
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(word) => write!(f, "`{word}`"),
            Self::Text(text) => write!(f, "\"{text}\""),
            Self::Equal => f.write_str("`==`"),
            Self::Unequal => f.write_str("`!=`"),
            Self::Open => f.write_str("`(`"),
            Self::Close => f.write_str("`)`"),
            Self::End => f.write_str("the end"),
        }
    }
}

/// The tokens of `text` with the columns where they begin; the last one is the end.
fn tokens(text: &str) -> Result<Vec<(usize, Token)>, ExpressionError> {
    let chars: Vec<char> = text.chars().collect();
    let error = |at: usize, expected: &str, found: String| ExpressionError {
        text: text.to_owned(),
        column: at + 1,
        expected: expected.to_owned(),
        found,
    };
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        let start = at;
        let rest = &chars[at..];
        let token = match (c, rest.get(1)) {
            (c, _) if c.is_whitespace() => {
                at += 1;
                continue;
            }
            ('(', _) => Token::Open,
            (')', _) => Token::Close,
            ('=', Some('=')) => Token::Equal,
            ('!', Some('=')) => Token::Unequal,
            ('=', _) => return Err(error(start, "`==`", "`=`".to_owned())),
            ('!', _) => return Err(error(start, "`not` or `!=`", "`!`".to_owned())),
            ('&', _) => return Err(error(start, "`and`", "`&`".to_owned())),
            ('|', _) => return Err(error(start, "`or`", "`|`".to_owned())),
            ('"', _) => {
                let end = rest[1..].iter().position(|&c| c == '"');
                let end = end.ok_or_else(|| error(chars.len(), "a closing `\"`", "the end".to_owned()))?;
                at += end + 2;
                tokens.push((start, Token::Text(rest[1..=end].iter().collect())));
                continue;
            }
            (c, _) if is_of_word(c) => {
                let length = rest.iter().take_while(|&&c| is_of_word(c)).count();
                at += length;
                tokens.push((start, Token::Word(rest[..length].iter().collect())));
                continue;
            }
            (c, _) => return Err(error(start, "a label or a comparison", format!("{c:?}"))),
        };
        at += if matches!(token, Token::Equal | Token::Unequal) { 2 } else { 1 };
        tokens.push((start, token));
    }
    tokens.push((chars.len(), Token::End));
    Ok(tokens)
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<(usize, Token)>,
    /// Never beyond the last token, which is the end.
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn any(&mut self) -> Result<Expression, ExpressionError> {
        let mut left = self.all()?;
        while self.take_word("or") {
            left = Expression::Or(Box::new(left), Box::new(self.all()?));
        }
        Ok(left)
    }

    fn all(&mut self) -> Result<Expression, ExpressionError> {
        let mut left = self.one()?;
        while self.take_word("and") {
            left = Expression::And(Box::new(left), Box::new(self.one()?));
        }
        Ok(left)
    }

    fn one(&mut self) -> Result<Expression, ExpressionError> {
        if self.depth == DEEPEST {
            return Err(self.error(&format!("an expression nested at most {DEEPEST} times")));
        }
        self.depth += 1;
        let one = if self.take_word("not") {
            Expression::Not(Box::new(self.one()?))
        } else if self.take(&Token::Open) {
            let inner = self.any()?;
            if !self.take(&Token::Close) {
                return Err(self.error("`)`, `and` or `or`"));
            }
            inner
        } else {
            self.test()?
        };
        self.depth -= 1;
        Ok(one)
    }

    fn test(&mut self) -> Result<Expression, ExpressionError> {
        let word = match self.peek() {
            Token::Word(word) if !matches!(word.as_str(), "and" | "or" | "not") => word.clone(),
            _ => return Err(self.error("a label or a comparison")),
        };
        let key = Key::ALL.into_iter().find(|key| key.word() == word);
        let follows = |parser: &Self| {
            matches!(parser.tokens.get(parser.at + 1), Some((_, Token::Equal | Token::Unequal)))
        };
        if key.is_none() && follows(self) {
            let keys = Key::ALL.map(|key| format!("`{}`", key.word()));
            return Err(self.error(&format!("one of {}", keys.join(", "))));
        }
        self.at += 1;
        let Some(key) = key else { return Ok(Expression::Label(word)) };
        let is_equal = if self.take(&Token::Equal) {
            true
        } else if self.take(&Token::Unequal) {
            false
        } else {
            return Err(self.error("`==` or `!=`"));
        };
        let value = match self.peek() {
            Token::Text(text) => text.clone(),
            Token::Word(word) if !matches!(word.as_str(), "and" | "or" | "not") => word.clone(),
            _ => return Err(self.error("a value")),
        };
        self.at += 1;
        Ok(if is_equal { Expression::Is(key, value) } else { Expression::IsNot(key, value) })
    }

    fn peek(&self) -> &Token {
        &self.tokens[self.at].1
    }

    fn take(&mut self, token: &Token) -> bool {
        let is_it = self.peek() == token;
        self.at += usize::from(is_it);
        is_it
    }

    fn take_word(&mut self, word: &str) -> bool {
        let is_it = matches!(self.peek(), Token::Word(found) if found == word);
        self.at += usize::from(is_it);
        is_it
    }

    fn error(&self, expected: &str) -> ExpressionError {
        let (column, found) = &self.tokens[self.at];
        ExpressionError {
            text: self.text.to_owned(),
            column: column + 1,
            expected: expected.to_owned(),
            found: found.to_string(),
        }
    }
}
