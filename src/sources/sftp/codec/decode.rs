//! Bytes into replies: packets are put together from the pieces they arrive in, tolerant of what odd servers leave out.
//! Not here: what replies mean.

use super::{Attrs, Data, INIT_ID, LIMITS, MAX_PACKET, Name, Reply, status};
use bytes::{Buf, Bytes, BytesMut};

/// Bytes that are no SFTP: what was wrong with them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Malformed(pub(in super::super) String);

const KIND_DATA: u8 = 103;
/// Length, type, id and length of data: what has to be seen before data can be sliced.
const DATA_HEADER: usize = 13;
/// Pieces of data that are shorter are copied together: thousands of tiny ones would take many times their length, and each
/// keeps the whole packet it arrived in.
const SHORT_PIECE: usize = 4096;
/// The longest handle: 256 bytes is what the protocol allows.
const MOST_HANDLE: usize = 4096;
/// How much of a server's own words is kept.
const MOST_MESSAGE: usize = 1024;

/// Puts packets together from the pieces they arrive in.
#[derive(Debug, Default)]
pub(in super::super) struct Assembler {
    /// Of the current packet: all but file data.
    head: Vec<u8>,
    /// The packet's data so far, once it is known to be file data.
    data: Option<Incoming>,
}

#[derive(Debug)]
struct Incoming {
    id: u32,
    data: Data,
    /// Short pieces that follow the data's last one.
    short: BytesMut,
    /// Bytes of data still to come.
    left: usize,
    /// Bytes after them that mean nothing to anybody.
    trailing: usize,
}

impl Assembler {
    /// Takes the next piece and appends the replies that it completes. After an error nothing that follows makes sense.
    pub(in super::super) fn push(
        &mut self,
        mut piece: Bytes,
        replies: &mut Vec<(u32, Reply)>,
    ) -> Result<(), Malformed> {
        while !piece.is_empty() {
            if let Some(incoming) = &mut self.data {
                incoming.take(&mut piece);
            } else {
                self.push_head(&mut piece, replies)?;
            }
            if let Some(done) = self.data.take_if(|incoming| incoming.left == 0 && incoming.trailing == 0) {
                replies.push(done.into_reply());
            }
        }
        Ok(())
    }

    /// The request that the packet on its way answers, if that can be known.
    pub(in super::super) fn coming(&self) -> Option<u32> {
        let told = || Some(u32::from_be_bytes(*self.head.get(5..)?.first_chunk()?));
        self.data.as_ref().map(|incoming| incoming.id).or_else(told)
    }

    /// Bytes of a file whose packet did not arrive as a whole: as good as a reply that is short.
    pub(in super::super) fn rest(self) -> Option<(u32, Reply)> {
        self.data.filter(|incoming| incoming.data.len > 0).map(Incoming::into_reply)
    }

    /// Takes what belongs to the packet's head: five bytes tell how long that is.
    fn push_head(&mut self, piece: &mut Bytes, replies: &mut Vec<(u32, Reply)>) -> Result<(), Malformed> {
        let wanted = self.wanted()?;
        let taken = piece.split_to((wanted - self.head.len()).min(piece.len()));
        self.head.extend_from_slice(&taken);
        if self.head.len() < 5 || self.head.len() < self.wanted()? {
            return Ok(());
        }
        if self.head[4] == KIND_DATA {
            self.data = Some(Incoming::new(&self.head)?);
        } else {
            replies.push(decode(self.head[4], &self.head[5..])?);
        }
        self.head.clear();
        Ok(())
    }

    /// How long the head is, as far as that can be known.
    fn wanted(&self) -> Result<usize, Malformed> {
        let Some((length, rest)) = self.head.split_first_chunk::<4>() else { return Ok(5) };
        let packet = u32::from_be_bytes(*length) as usize;
        if packet == 0 || packet > MAX_PACKET {
            return Err(Malformed(oversize(length, packet)));
        }
        Ok(match rest.first() {
            None => 5,
            Some(&KIND_DATA) => DATA_HEADER,
            Some(_) => 4 + packet,
        })
    }
}

/// A greeting that a login script prints is the usual reason.
fn oversize(length: &[u8; 4], packet: usize) -> String {
    match std::str::from_utf8(length) {
        Ok(text) if length.iter().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()) => {
            format!("text ({text:?} ..) where a packet should be")
        }
        _ => format!("a packet of {packet} bytes"),
    }
}

impl Incoming {
    fn new(head: &[u8]) -> Result<Incoming, Malformed> {
        let mut head = Reader(head);
        let fields = (|| Some((head.u32()?, head.u8()?, head.u32()?, head.u32()?)))();
        let (packet, _, id, left) = fields.ok_or_else(|| malformed("data"))?;
        let (left, after) = (left as usize, (packet as usize).checked_sub(DATA_HEADER - 4));
        let trailing = after.and_then(|after| after.checked_sub(left)).ok_or_else(|| malformed("data"))?;
        Ok(Incoming { id, data: Data::default(), short: BytesMut::new(), left, trailing })
    }

    fn take(&mut self, piece: &mut Bytes) {
        let data = piece.split_to(self.left.min(piece.len()));
        self.left -= data.len();
        self.data.len += data.len();
        if data.len() < SHORT_PIECE {
            self.short.extend_from_slice(&data);
        } else {
            self.join();
            self.data.pieces.push(data);
        }
        let skipped = piece.split_to(self.trailing.min(piece.len()));
        self.trailing -= skipped.len();
    }

    /// Puts the short pieces behind the others.
    fn join(&mut self) {
        if !self.short.is_empty() {
            self.data.pieces.push(self.short.split().freeze());
        }
    }

    fn into_reply(mut self) -> (u32, Reply) {
        self.join();
        (self.id, Reply::Data(self.data))
    }
}

fn malformed(what: &str) -> Malformed {
    Malformed(format!("a malformed {what} packet"))
}

/// Reads a whole packet that is not file data.
fn decode(kind: u8, body: &[u8]) -> Result<(u32, Reply), Malformed> {
    let mut body = Reader(body);
    let id = if kind == 2 { INIT_ID } else { body.u32().ok_or_else(|| malformed("short"))? };
    let reply = match kind {
        2 => body.version().ok_or_else(|| malformed("version"))?,
        101 => body.status(),
        102 => Reply::Handle(body.handle().ok_or_else(|| malformed("handle"))?),
        104 => Reply::Names(Names::read(body.0).ok_or_else(|| malformed("name"))?),
        105 => Reply::Attrs(body.attrs().ok_or_else(|| malformed("attributes"))?),
        201 => Reply::Extended(body.0.to_vec()),
        // An unknown kind of packet still says which request it answers.
        other => {
            Reply::Status { code: status::FAILURE, message: format!("unexpected packet of type {other}") }
        }
    };
    Ok((id, reply))
}

/// Names of a folder: bytes as they arrived, which are a tenth of what they are as names, until they are taken one by one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in super::super) struct Names {
    left: u32,
    body: Bytes,
}

impl Names {
    /// None if they are not whole. The count is the server's word: the names themselves decide.
    pub(super) fn read(body: &[u8]) -> Option<Names> {
        let mut rest = Reader(body);
        let left = rest.u32()?;
        let names = rest.0;
        (0..left).try_for_each(|_| rest.name().map(drop))?;
        Some(Names { left, body: Bytes::copy_from_slice(&names[..names.len() - rest.0.len()]) })
    }

    /// The bytes of those that are left.
    pub(in super::super) fn len(&self) -> usize {
        self.body.len()
    }
}

impl Iterator for Names {
    type Item = Name;

    fn next(&mut self) -> Option<Name> {
        self.left = self.left.checked_sub(1)?;
        let mut rest = Reader(&self.body);
        let (name, sign, attrs) = rest.name()?;
        let name = Name { name: name.to_vec(), sign, attrs };
        let taken = self.body.len() - rest.0.len();
        self.body.advance(taken);
        Some(name)
    }
}

/// Reads fields off the front of a packet; none where it is too short.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    fn u8(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn u32(&mut self) -> Option<u32> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*first))
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_be_bytes(*first))
    }

    fn string(&mut self) -> Option<&'a [u8]> {
        let len = self.u32()? as usize;
        let (text, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(text)
    }

    fn handle(&mut self) -> Option<Bytes> {
        self.string().filter(|handle| handle.len() <= MOST_HANDLE).map(Bytes::copy_from_slice)
    }

    fn version(&mut self) -> Option<Reply> {
        let version = self.u32()?;
        let mut limits = false;
        while let (Some(name), Some(_data)) = (self.string(), self.string()) {
            limits |= name == LIMITS;
        }
        Some(Reply::Version { version, limits })
    }

    /// Some servers leave out the message, or all of it.
    fn status(&mut self) -> Reply {
        let code = self.u32().unwrap_or(status::FAILURE);
        let text = self.string().map(|text| &text[..text.len().min(MOST_MESSAGE)]);
        let message = text.map(|text| String::from_utf8_lossy(text).into_owned());
        Reply::Status { code, message: message.unwrap_or_default() }
    }

    fn name(&mut self) -> Option<(&'a [u8], Option<u8>, Attrs)> {
        let (name, line) = (self.string()?, self.string()?);
        Some((name, line.first().copied(), self.attrs()?))
    }

    fn attrs(&mut self) -> Option<Attrs> {
        let flags = self.u32()?;
        let mut attrs = Attrs::default();
        if flags & 0x1 != 0 {
            attrs.size = Some(self.u64()?);
        }
        if flags & 0x2 != 0 {
            self.u64()?;
        }
        if flags & 0x4 != 0 {
            attrs.mode = Some(self.u32()?);
        }
        if flags & 0x8 != 0 {
            attrs.mtime = (self.u32()?, self.u32()?).1.into();
        }
        if flags & 0x8000_0000 != 0 {
            for _ in 0..self.u32()? {
                let (_kind, _value) = (self.string()?, self.string()?);
            }
        }
        Some(attrs)
    }
}
