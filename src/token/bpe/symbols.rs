//! Encoding by our own merging instead of the engine's, with its normalizer and pre-tokenizer before, and its post-processor
//! after.

use crate::token::bpe::tied::Symbol;
use crate::token::engine::told;
use crate::token::{Tokenizer, TokenizerKind};
use crate::{Result, bail};
use std::cell::RefCell;
use tokenizers::{OffsetType, PostProcessor, PreTokenizer, Token};

const WHO: &str = "encode";

impl Tokenizer {
    /// Encodes a text; `merge` joins the characters of each word.
    pub(in crate::token) fn encode_symbols(
        &self,
        text: &str,
        special: bool,
        offsets: OffsetType,
        merge: impl FnMut(Vec<Symbol>) -> Vec<Symbol>,
    ) -> Result<tokenizers::Encoding> {
        let engine = self.engine();
        let merge = RefCell::new(merge);
        let mut splits = engine.get_added_vocabulary().extract_and_normalize(engine.get_normalizer(), text);
        if let Some(pre) = engine.get_pre_tokenizer() {
            pre.pre_tokenize(&mut splits).map_err(told)?;
        }
        splits
            .tokenize(|word| {
                let token = |symbol: Symbol| {
                    let token = self.token(symbol.id).unwrap_or_default().to_string();
                    Token::new(symbol.id, token, (symbol.start, symbol.end))
                };
                Ok((merge.borrow_mut())(self.letters(word.get())?).into_iter().map(token).collect())
            })
            .map_err(told)?;
        let encoding = splits.into_encoding(None, 0, offsets).map_err(told)?;
        match engine.get_post_processor() {
            Some(processor) => processor.process(encoding, None, special).map_err(told),
            None => Ok(encoding),
        }
    }

    /// A word as single characters; one that is not a token becomes its bytes, or unknown.
    fn letters(&self, word: &str) -> Result<Vec<Symbol>> {
        let mut symbols: Vec<Symbol> = Vec::with_capacity(word.len());
        let mut buffer = [0; 4];
        for (start, letter) in word.char_indices() {
            let end = start + letter.len_utf8();
            if let Some(id) = self.id(letter.encode_utf8(&mut buffer)) {
                symbols.push(Symbol { id, start, end });
                continue;
            }
            let bytes = word[start..end].bytes().map(|byte| self.id(&format!("<0x{byte:02X}>")));
            match bytes.collect::<Option<Vec<u32>>>() {
                Some(ids) if self.kind() == TokenizerKind::ByteFallback => {
                    symbols.extend(ids.into_iter().map(|id| Symbol { id, start, end }));
                }
                _ => match self.unk() {
                    Some(id) => symbols.push(Symbol { id, start, end }),
                    None => bail!(WHO, "the character {letter:?} is no token, and there is no unknown token"),
                },
            }
        }
        Ok(symbols)
    }
}
