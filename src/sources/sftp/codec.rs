//! SFTP version 3 packets: requests into bytes, bytes into replies. Pure; tolerant of what odd servers leave out; names
//! and handles stay bytes; file data is sliced out of what arrived, never copied. Not here: which reply belongs to
//! whom (`session`).

mod decode;
#[cfg(test)]
mod tests;

pub(super) use decode::{Assembler, Malformed, Names};

use bytes::Bytes;
use decode::Reader;

/// The largest packet accepted from a server: OpenSSH's own client, libssh2 and Go's accept no larger one, so that servers send
/// none. OpenSSH tells 100 names a reply, asyncssh 128, ProFTPD some 30: 64 KiB if all are as long as names can be. A READ asks
/// for 1 KiB less.
pub(super) const MAX_PACKET: usize = 256 * 1024;
/// The longest answer to what asks neither for bytes nor for names: a handle is the longest of them.
const LONGEST: usize = 4096;
/// The longest answer that tells a path: twice, the second time in a line in `ls -l` form.
const LONGEST_PATH: usize = 16 * 1024;
/// The id under which the answer to INIT, which has none, is handed out.
pub(super) const INIT_ID: u32 = 0;

/// Status codes that mean something to fanout.
pub(super) mod status {
    /// The end of a file or of a folder.
    pub(in super::super) const EOF: u32 = 1;
    /// There is no such file.
    pub(in super::super) const NO_SUCH_FILE: u32 = 2;
    /// The user may not.
    pub(in super::super) const PERMISSION_DENIED: u32 = 3;
    /// Anything else went wrong.
    pub(in super::super) const FAILURE: u32 = 4;
    /// The server lost its own connection.
    pub(in super::super) const NO_CONNECTION: u32 = 6;
    /// The same, on the way.
    pub(in super::super) const CONNECTION_LOST: u32 = 7;
}

/// What can be asked of a server.
#[derive(Debug, Clone, Copy)]
pub(super) enum Request<'a> {
    /// The first packet: version 3.
    Init,
    /// Open a file to read it.
    Open(&'a [u8]),
    /// Close a file or folder.
    Close(&'a [u8]),
    /// Read `len` bytes of a file from `offset`.
    Read { handle: &'a [u8], offset: u64, len: u32 },
    /// The attributes of an open file.
    Fstat(&'a [u8]),
    /// The attributes of what a path leads to.
    Stat(&'a [u8]),
    /// The path of what a path leads to, without symlinks.
    Realpath(&'a [u8]),
    /// The attributes of a path itself: a symlink's own.
    Lstat(&'a [u8]),
    /// Open a folder to list it.
    Opendir(&'a [u8]),
    /// The next names of an open folder.
    Readdir(&'a [u8]),
    /// Delete a file, or a symlink itself.
    Remove(&'a [u8]),
    /// Make a folder.
    Mkdir(&'a [u8]),
    /// Give a file another path, where there must be nothing.
    Rename { from: &'a [u8], to: &'a [u8] },
    /// How much the server bears: `limits@openssh.com`.
    Limits,
}

/// The extension that tells a server's limits.
pub(super) const LIMITS: &[u8] = b"limits@openssh.com";
/// SSH_FXF_READ.
const OPEN_READ: u32 = 1;

impl Request<'_> {
    /// Appends the packet.
    pub(super) fn encode(&self, id: u32, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[0; 4]);
        out.push(self.kind());
        match *self {
            Request::Init => out.extend(3u32.to_be_bytes()),
            _ => out.extend(id.to_be_bytes()),
        }
        self.encode_body(out);
        let len = (out.len() - start - 4) as u32;
        out[start..start + 4].copy_from_slice(&len.to_be_bytes());
    }

    /// The bytes of the longest answer that makes sense.
    pub(super) fn longest_answer(&self) -> usize {
        match self {
            Request::Read { len, .. } => LONGEST.max(*len as usize),
            Request::Readdir(_) => MAX_PACKET,
            Request::Realpath(_) => LONGEST_PATH,
            _ => LONGEST,
        }
    }

    fn kind(&self) -> u8 {
        match self {
            Request::Init => 1,
            Request::Open(_) => 3,
            Request::Close(_) => 4,
            Request::Read { .. } => 5,
            Request::Lstat(_) => 7,
            Request::Fstat(_) => 8,
            Request::Opendir(_) => 11,
            Request::Readdir(_) => 12,
            Request::Remove(_) => 13,
            Request::Mkdir(_) => 14,
            Request::Realpath(_) => 16,
            Request::Stat(_) => 17,
            Request::Rename { .. } => 18,
            Request::Limits => 200,
        }
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        match *self {
            Request::Init => {}
            Request::Limits => string(out, LIMITS),
            Request::Open(path) => {
                string(out, path);
                out.extend(OPEN_READ.to_be_bytes());
                out.extend(0u32.to_be_bytes());
            }
            Request::Read { handle, offset, len } => {
                string(out, handle);
                out.extend(offset.to_be_bytes());
                out.extend(len.to_be_bytes());
            }
            Request::Mkdir(path) => {
                string(out, path);
                out.extend(0u32.to_be_bytes());
            }
            Request::Rename { from, to } => {
                string(out, from);
                string(out, to);
            }
            Request::Close(text)
            | Request::Remove(text)
            | Request::Fstat(text)
            | Request::Stat(text)
            | Request::Lstat(text)
            | Request::Opendir(text)
            | Request::Realpath(text)
            | Request::Readdir(text) => string(out, text),
        }
    }
}

fn string(out: &mut Vec<u8>, text: &[u8]) {
    out.extend((text.len() as u32).to_be_bytes());
    out.extend_from_slice(text);
}

/// What a server answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reply {
    /// To INIT: its version, and whether it tells its limits.
    Version { version: u32, limits: bool },
    /// How it went, where there is nothing else to say.
    Status { code: u32, message: String },
    /// An open file or folder.
    Handle(Bytes),
    /// Bytes of a file.
    Data(Data),
    /// Names in a folder.
    Names(Names),
    /// Attributes.
    Attrs(Attrs),
    /// To an extension's request: what follows is the extension's own.
    Extended(Vec<u8>),
}

impl Reply {
    /// The bytes it holds.
    pub(super) fn len(&self) -> usize {
        match self {
            Reply::Version { .. } | Reply::Attrs(_) => 0,
            Reply::Status { message, .. } => message.len(),
            Reply::Handle(handle) => handle.len(),
            Reply::Data(data) => data.len,
            Reply::Names(names) => names.len(),
            Reply::Extended(body) => body.len(),
        }
    }
}

/// Bytes of a file, in the pieces they arrived in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Data {
    /// The pieces, in order, none of them empty.
    pub(super) pieces: Vec<Bytes>,
    /// Their length together.
    pub(super) len: usize,
}

impl Data {
    /// Drops what is beyond so many bytes.
    pub(super) fn truncate(&mut self, len: usize) {
        while self.len > len
            && let Some(mut last) = self.pieces.pop()
        {
            let before = self.len - last.len();
            self.len = before.max(len);
            last.truncate(self.len - before);
            if !last.is_empty() {
                self.pieces.push(last);
            }
        }
    }
}

/// One name in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name {
    /// Its exact bytes, not yet trusted.
    pub(super) name: Vec<u8>,
    /// The first character of its line in `ls -l` form: its type, for servers that send no permissions.
    pub(super) sign: Option<u8>,
    /// Its attributes: a symlink's own.
    pub(super) attrs: Attrs,
}

/// What is known of a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Attrs {
    /// In bytes.
    pub(super) size: Option<u64>,
    /// Type and permissions, as in `st_mode`.
    pub(super) mode: Option<u32>,
    /// Seconds since 1970.
    pub(super) mtime: Option<u32>,
}

/// What a server allows, from `limits@openssh.com`. Zero where it doesn't say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Limits {
    /// The largest READ.
    pub(super) read_len: u64,
    /// Files and folders open at once.
    pub(super) open_handles: u64,
}

impl Limits {
    /// Reads the extension's reply: max packet, max read, max write, max open handles.
    pub(super) fn decode(body: &[u8]) -> Option<Limits> {
        let mut body = Reader(body);
        let (_packet, read_len, _write) = (body.u64()?, body.u64()?, body.u64()?);
        Some(Limits { read_len, open_handles: body.u64().unwrap_or(0) })
    }
}
