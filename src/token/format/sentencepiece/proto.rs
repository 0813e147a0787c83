//! SentencePiece's message `ModelProto`, as far as it concerns segmentation: a reader for the protobuf wire format.
//! <https://github.com/google/sentencepiece/blob/master/src/sentencepiece_model.proto>

use crate::token::engine::WHO;
use crate::{Result, bail};

/// A piece of the vocabulary.
#[derive(Clone, Debug, PartialEq)]
pub struct Piece {
    pub text: String,
    pub score: f32,
    pub kind: PieceKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PieceKind {
    Normal,
    Unknown,
    Control,
    UserDefined,
    Unused,
    Byte,
}

/// The segmentation algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModelType {
    Unigram,
    Bpe,
    Word,
    Char,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    pub pieces: Vec<Piece>,
    pub kind: ModelType,
    pub byte_fallback: bool,
    pub whitespace_as_suffix: bool,
    /// The ids of unknown, BOS, EOS and padding; below 0 for none.
    pub ids: [i64; 4],
    /// Their texts.
    pub names: [String; 4],
    pub charsmap: Vec<u8>,
    pub dummy_prefix: bool,
    pub remove_extra_whitespaces: bool,
    pub escape_whitespaces: bool,
}

impl Default for Model {
    fn default() -> Model {
        Model {
            pieces: Vec::new(),
            kind: ModelType::Unigram,
            byte_fallback: false,
            whitespace_as_suffix: false,
            ids: [0, 1, 2, -1],
            names: ["<unk>", "<s>", "</s>", "<pad>"].map(String::from),
            charsmap: Vec::new(),
            dummy_prefix: true,
            remove_extra_whitespaces: true,
            escape_whitespaces: true,
        }
    }
}

/// One field: its number and value.
enum Field<'a> {
    Number(u64),
    Single(f32),
    Bytes(&'a [u8]),
}

struct Fields<'a> {
    bytes: &'a [u8],
    /// The position of these bytes in the file.
    start: usize,
    at: usize,
}

impl<'a> Fields<'a> {
    fn place(&self) -> usize {
        self.start + self.at
    }

    fn varint(&mut self) -> Result<u64> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let Some(byte) = self.bytes.get(self.at) else { return Err(self.cut()) };
            self.at += 1;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        bail!(WHO, "a number before byte {} is too long: this is no SentencePiece model", self.place())
    }

    fn cut(&self) -> crate::Error {
        let error = format!("it ends in a field at byte {}: it is cut short, or no SentencePiece model", self.place());
        crate::Error::new(WHO, error)
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8]> {
        let rest = &self.bytes[self.at..];
        match usize::try_from(length).ok().and_then(|length| rest.get(..length)) {
            Some(taken) => {
                self.at += taken.len();
                Ok(taken)
            }
            None => Err(self.cut()),
        }
    }

    /// The next field, and the position of its value in the file.
    fn next(&mut self) -> Result<Option<(u64, Field<'a>, usize)>> {
        if self.at == self.bytes.len() {
            return Ok(None);
        }
        let key = self.varint()?;
        let field = match key & 7 {
            0 => Field::Number(self.varint()?),
            1 => Field::Bytes(self.take(8)?),
            2 => {
                let length = self.varint()?;
                Field::Bytes(self.take(length)?)
            }
            5 => {
                let mut four = [0; 4];
                four.copy_from_slice(self.take(4)?);
                Field::Single(f32::from_le_bytes(four))
            }
            other => bail!(
                WHO,
                "a field before byte {} has the wire type {other}: this is no SentencePiece model",
                self.place()
            ),
        };
        let start = match &field {
            Field::Bytes(bytes) => self.place() - bytes.len(),
            _ => self.place(),
        };
        Ok(Some((key >> 3, field, start)))
    }
}

fn text(bytes: &[u8], start: usize) -> Result<String> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.to_string()),
        Err(_) => bail!(WHO, "the text at byte {start} is not UTF-8: this is no SentencePiece model"),
    }
}

pub fn read(bytes: &[u8]) -> Result<Model> {
    let mut model = Model::default();
    let mut fields = Fields { bytes, start: 0, at: 0 };
    while let Some((number, field, start)) = fields.next()? {
        match (number, field) {
            (1, Field::Bytes(bytes)) => {
                let piece = piece(Fields { bytes, start, at: 0 })?;
                model.pieces.push(piece);
            }
            (2, Field::Bytes(bytes)) => trainer(Fields { bytes, start, at: 0 }, &mut model)?,
            (3, Field::Bytes(bytes)) => normalizer(Fields { bytes, start, at: 0 }, &mut model)?,
            _ => {}
        }
    }
    if model.pieces.is_empty() {
        bail!(WHO, "there are no pieces in it: this is no SentencePiece model");
    }
    Ok(model)
}

fn piece(mut fields: Fields) -> Result<Piece> {
    let mut piece = Piece { text: String::new(), score: 0.0, kind: PieceKind::Normal };
    while let Some((number, field, start)) = fields.next()? {
        match (number, field) {
            (1, Field::Bytes(bytes)) => piece.text = text(bytes, start)?,
            (2, Field::Single(score)) => piece.score = score,
            (3, Field::Number(kind)) => {
                piece.kind = match kind {
                    1 => PieceKind::Normal,
                    2 => PieceKind::Unknown,
                    3 => PieceKind::Control,
                    4 => PieceKind::UserDefined,
                    5 => PieceKind::Unused,
                    6 => PieceKind::Byte,
                    other => bail!(WHO, "the piece `{}` is of the unknown type {other}", piece.text),
                }
            }
            _ => {}
        }
    }
    Ok(piece)
}

fn trainer(mut fields: Fields, model: &mut Model) -> Result<()> {
    while let Some((number, field, start)) = fields.next()? {
        match (number, field) {
            (3, Field::Number(kind)) => {
                model.kind = match kind {
                    1 => ModelType::Unigram,
                    2 => ModelType::Bpe,
                    3 => ModelType::Word,
                    4 => ModelType::Char,
                    other => bail!(WHO, "its model is of the unknown type {other}"),
                }
            }
            (24, Field::Number(flag)) => model.whitespace_as_suffix = flag != 0,
            (35, Field::Number(flag)) => model.byte_fallback = flag != 0,
            // negative numbers are ten bytes long
            (40..=43, Field::Number(id)) => model.ids[number as usize - 40] = i64::from(id as i32),
            (45..=48, Field::Bytes(bytes)) => model.names[number as usize - 45] = text(bytes, start)?,
            _ => {}
        }
    }
    Ok(())
}

fn normalizer(mut fields: Fields, model: &mut Model) -> Result<()> {
    while let Some((number, field, _)) = fields.next()? {
        match (number, field) {
            (2, Field::Bytes(map)) => model.charsmap = map.to_vec(),
            (3, Field::Number(flag)) => model.dummy_prefix = flag != 0,
            (4, Field::Number(flag)) => model.remove_extra_whitespaces = flag != 0,
            (5, Field::Number(flag)) => model.escape_whitespaces = flag != 0,
            _ => {}
        }
    }
    Ok(())
}
