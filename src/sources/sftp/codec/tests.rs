use super::*;
use proptest::prelude::*;

/// The packet that a server would send.
fn encode(id: u32, reply: &Reply) -> Vec<u8> {
    let mut body = Vec::new();
    let kind = match reply {
        Reply::Version { version, limits } => {
            body.extend(version.to_be_bytes());
            if *limits {
                string(&mut body, b"other@example");
                string(&mut body, b"7");
                string(&mut body, LIMITS);
                string(&mut body, b"1");
            }
            2
        }
        Reply::Status { code, message } => {
            body.extend(code.to_be_bytes());
            string(&mut body, message.as_bytes());
            string(&mut body, b"en");
            101
        }
        Reply::Handle(handle) => {
            string(&mut body, handle);
            102
        }
        Reply::Data(data) => {
            string(&mut body, &data.pieces.concat());
            103
        }
        Reply::Names(names) => {
            body.extend(encode_names(&names.clone().collect::<Vec<_>>()));
            104
        }
        Reply::Attrs(attrs) => {
            encode_attrs(&mut body, attrs);
            105
        }
        Reply::Extended(rest) => {
            body.extend(rest);
            201
        }
    };
    packet(kind, (kind != 2).then_some(id), &body)
}

fn packet(kind: u8, id: Option<u32>, body: &[u8]) -> Vec<u8> {
    let mut out = vec![kind];
    out.extend(id.into_iter().flat_map(u32::to_be_bytes));
    out.extend(body);
    let mut whole = (out.len() as u32).to_be_bytes().to_vec();
    whole.append(&mut out);
    whole
}

fn encode_names(names: &[Name]) -> Vec<u8> {
    let mut body = (names.len() as u32).to_be_bytes().to_vec();
    for name in names {
        string(&mut body, &name.name);
        string(&mut body, name.sign.as_slice());
        encode_attrs(&mut body, &name.attrs);
    }
    body
}

fn encode_attrs(body: &mut Vec<u8>, attrs: &Attrs) {
    let flags = u32::from(attrs.size.is_some())
        | (u32::from(attrs.mode.is_some()) << 2)
        | (u32::from(attrs.mtime.is_some()) << 3)
        | 0x8000_0002;
    body.extend(flags.to_be_bytes());
    body.extend(attrs.size.into_iter().flat_map(u64::to_be_bytes));
    body.extend([0, 0, 0, 1, 0, 0, 0, 2]);
    body.extend(attrs.mode.into_iter().flat_map(u32::to_be_bytes));
    body.extend(
        attrs
            .mtime
            .into_iter()
            .flat_map(|mtime| [mtime.wrapping_sub(1).to_be_bytes(), mtime.to_be_bytes()].concat()),
    );
    body.extend(1u32.to_be_bytes());
    string(body, b"acl");
    string(body, b"whatever");
}

fn attrs() -> impl Strategy<Value = Attrs> {
    (any::<Option<u64>>(), any::<Option<u32>>(), any::<Option<u32>>()).prop_map(|(size, mode, mtime)| Attrs {
        size,
        mode,
        mtime,
    })
}

fn bytes(most: usize) -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..most)
}

fn reply() -> impl Strategy<Value = Reply> {
    let name = (bytes(300), any::<Option<u8>>(), attrs());
    let name = name.prop_map(|(name, sign, attrs)| Name { name, sign, attrs });
    prop_oneof![
        (any::<u32>(), any::<bool>()).prop_map(|(version, limits)| Reply::Version { version, limits }),
        (any::<u32>(), ".{0,40}").prop_map(|(code, message)| Reply::Status { code, message }),
        bytes(40).prop_map(|handle| Reply::Handle(handle.into())),
        bytes(4000).prop_map(|bytes| Reply::Data(whole(bytes))),
        proptest::collection::vec(name, 0..20)
            .prop_map(|names| Reply::Names(Names::read(&encode_names(&names)).unwrap())),
        attrs().prop_map(Reply::Attrs),
        bytes(100).prop_map(Reply::Extended),
    ]
}

fn whole(bytes: Vec<u8>) -> Data {
    let len = bytes.len();
    Data { pieces: if len == 0 { vec![] } else { vec![bytes.into()] }, len }
}

/// The same reply, whatever pieces its data arrived in.
fn joined(reply: Reply) -> Reply {
    match reply {
        Reply::Data(data) => {
            assert!(data.pieces.iter().all(|piece| !piece.is_empty()));
            assert_eq!(data.pieces.iter().map(Bytes::len).sum::<usize>(), data.len);
            Reply::Data(whole(data.pieces.concat()))
        }
        other => other,
    }
}

/// Hands `bytes` over in pieces of these lengths, over and over.
fn assemble(bytes: &[u8], lengths: &[usize]) -> Result<Vec<(u32, Reply)>, Malformed> {
    let (mut assembler, mut replies) = (Assembler::default(), Vec::new());
    let mut bytes = Bytes::copy_from_slice(bytes);
    for length in lengths.iter().cycle() {
        if bytes.is_empty() {
            break;
        }
        assembler.push(bytes.split_to((*length).min(bytes.len())), &mut replies)?;
    }
    Ok(replies.into_iter().map(|(id, reply)| (id, joined(reply))).collect())
}

proptest! {
    #[test]
    fn replies_come_back_whatever_pieces_they_arrive_in(
        sent in proptest::collection::vec((any::<u32>(), reply()), 1..10),
        lengths in proptest::collection::vec(1usize..700, 1..10),
    ) {
        let stream: Vec<u8> = sent.iter().flat_map(|(id, reply)| encode(*id, reply)).collect();
        let expected: Vec<_> = sent
            .into_iter()
            .map(|(id, reply)| (if matches!(reply, Reply::Version { .. }) { INIT_ID } else { id }, reply))
            .collect();
        prop_assert_eq!(assemble(&stream, &lengths).unwrap(), expected);
    }

    #[test]
    fn no_bytes_whatever_make_it_panic(stream in bytes(2000), lengths in proptest::collection::vec(1usize..50, 1..5)) {
        let _ = assemble(&stream, &lengths);
    }

    #[test]
    fn no_body_whatever_makes_it_panic(kind in any::<u8>(), body in bytes(200)) {
        let _ = assemble(&packet(kind, None, &body), &[64]);
    }

    #[test]
    fn requests_are_what_another_implementation_reads(
        path in "[a-z/]{1,30}", id in any::<u32>(), offset in any::<u64>(), len in any::<u32>()
    ) {
        use russh_sftp::protocol::Packet;
        let read = |request: Request<'_>| {
            let mut out = b"before".to_vec();
            request.encode(id, &mut out);
            let length = u32::from_be_bytes(out[6..10].try_into().unwrap()) as usize;
            assert_eq!(length, out.len() - 10);
            Packet::try_from(&mut Bytes::from(out.split_off(10))).unwrap()
        };
        let text = path.as_bytes();
        prop_assert!(matches!(read(Request::Init), Packet::Init(init) if init.version == 3));
        prop_assert!(matches!(read(Request::Open(text)), Packet::Open(open) if open.id == id
            && open.filename == path && open.pflags.bits() == russh_sftp::protocol::OpenFlags::READ.bits()));
        let request = Request::Read { handle: text, offset, len };
        let Packet::Read(request) = read(request) else { return Err(TestCaseError::fail("no read")) };
        prop_assert_eq!((request.id, request.handle, request.offset, request.len), (id, path.clone(), offset, len));
        prop_assert!(matches!(read(Request::Close(text)), Packet::Close(close) if close.handle == path));
        prop_assert!(matches!(read(Request::Fstat(text)), Packet::Fstat(fstat) if fstat.handle == path));
        prop_assert!(matches!(read(Request::Stat(text)), Packet::Stat(stat) if stat.path == path));
        prop_assert!(matches!(read(Request::Lstat(text)), Packet::Lstat(stat) if stat.path == path));
        prop_assert!(matches!(read(Request::Opendir(text)), Packet::OpenDir(dir) if dir.path == path));
        prop_assert!(matches!(read(Request::Readdir(text)), Packet::ReadDir(dir) if dir.handle == path));
        prop_assert!(matches!(read(Request::Limits), Packet::Extended(ask) if ask.request.as_bytes() == LIMITS));
    }
}

#[test]
fn a_status_without_strings_or_with_a_strange_code_is_still_a_status() {
    let bare = assemble(&packet(101, Some(7), &31u32.to_be_bytes()), &[100]).unwrap();
    assert_eq!(bare, [(7, Reply::Status { code: 31, message: String::new() })]);
    let empty = assemble(&packet(101, Some(7), &[]), &[100]).unwrap();
    assert_eq!(empty, [(7, Reply::Status { code: status::FAILURE, message: String::new() })]);
}

#[test]
fn text_before_the_first_packet_is_called_text() {
    let error = assemble(b"Welcome to the server!\n", &[100]).unwrap_err();
    assert!(error.0.contains("text (\"Welc\""), "{error:?}");
}

#[test]
fn packets_of_no_or_too_many_bytes_are_refused() {
    assert!(assemble(&[0; 5], &[100]).is_err());
    let too_long = (MAX_PACKET as u32 + 1).to_be_bytes();
    assert!(assemble(&[&too_long[..], &[103]].concat(), &[100]).is_err());
}

#[test]
fn data_longer_than_its_packet_is_refused_and_bytes_after_it_are_skipped() {
    let long = packet(103, Some(1), &[&9u32.to_be_bytes()[..], b"12345678"].concat());
    assert!(assemble(&long, &[100]).is_err());
    let short = packet(103, Some(1), &[&3u32.to_be_bytes()[..], b"12345678"].concat());
    let next = packet(102, Some(2), &[0, 0, 0, 1, 255]);
    let replies = assemble(&[short, next].concat(), &[3]).unwrap();
    assert_eq!(
        replies,
        [(1, Reply::Data(whole(b"123".to_vec()))), (2, Reply::Handle(Bytes::from_static(&[255]))),]
    );
}

#[test]
fn a_count_of_names_is_not_believed() {
    assert!(assemble(&packet(104, Some(1), &u32::MAX.to_be_bytes()), &[100]).is_err());
}

#[test]
fn names_are_taken_one_by_one_and_hold_what_is_left_of_their_bytes() {
    let name = |name: &[u8]| Name { name: name.to_vec(), sign: Some(b'-'), attrs: Attrs::default() };
    let body = encode_names(&[name(b"one"), name(b""), name(&[0xff; 300])]);
    let mut names = Names::read(&[&body[..], b"more"].concat()).unwrap();
    assert_eq!(names.len(), body.len() - 4);
    for expected in [name(b"one"), name(b""), name(&[0xff; 300])] {
        assert_eq!(names.next(), Some(expected));
    }
    assert_eq!((names.next(), names.len()), (None, 0));
}

#[test]
fn of_a_servers_words_a_message_is_kept() {
    let mut body = 4u32.to_be_bytes().to_vec();
    string(&mut body, &[b'x'; 100_000]);
    let replies = assemble(&packet(101, Some(1), &body), &[1000]).unwrap();
    assert_eq!(replies[0].1.len(), 1024);
}

#[test]
fn file_data_is_not_copied() {
    let mut stream = packet(103, Some(1), &[&5000u32.to_be_bytes()[..], &[7; 5000]].concat());
    stream.shrink_to_fit();
    let stream = Bytes::from(stream);
    let mut replies = Vec::new();
    Assembler::default().push(stream.clone(), &mut replies).unwrap();
    let [(1, Reply::Data(data))] = &replies[..] else { panic!("{replies:?}") };
    assert_eq!(data.pieces[0].as_ptr(), stream[13..].as_ptr());
}

#[test]
fn limits_are_read_and_may_be_cut_short() {
    let body: Vec<u8> = [262_144u64, 261_120, 261_120, 1019].iter().flat_map(|n| n.to_be_bytes()).collect();
    assert_eq!(Limits::decode(&body), Some(Limits { read_len: 261_120, open_handles: 1019 }));
    assert_eq!(Limits::decode(&body[..24]), Some(Limits { read_len: 261_120, open_handles: 0 }));
    assert_eq!(Limits::decode(&body[..23]), None);
}

#[test]
fn tiny_pieces_of_data_take_no_more_memory_than_large_ones() {
    let content: Vec<u8> = (0..200_000u32).map(|at| at as u8).collect();
    let stream = packet(103, Some(1), &[&200_000u32.to_be_bytes()[..], &content].concat());
    for lengths in [&[1][..], &[1, 4096], &[4095, 1, 5000]] {
        let (mut assembler, mut replies) = (Assembler::default(), Vec::new());
        let (mut stream, mut lengths) = (Bytes::from(stream.clone()), lengths.iter().cycle());
        while !stream.is_empty() {
            let piece = stream.split_to((*lengths.next().unwrap()).min(stream.len()));
            assembler.push(piece, &mut replies).unwrap();
        }
        let [(1, Reply::Data(data))] = &replies[..] else { panic!("{replies:?}") };
        assert!(data.pieces.concat() == content);
        assert!(data.pieces.len() <= 100, "{}", data.pieces.len());
    }
}

#[test]
fn a_handle_is_no_place_to_put_megabytes() {
    let reply = |len: usize| {
        assemble(&packet(102, Some(1), &[&(len as u32).to_be_bytes()[..], &vec![7; len]].concat()), &[1000])
    };
    assert!(reply(256).is_ok());
    assert!(reply(100_000).is_err());
}

#[test]
fn what_arrived_of_a_packet_that_is_cut_off_is_as_good_as_a_short_reply() {
    let stream = packet(103, Some(9), &[&100u32.to_be_bytes()[..], &[5; 100]].concat());
    for (cut, len) in [(12, None), (13, None), (14, Some(1)), (60, Some(47))] {
        let mut assembler = Assembler::default();
        assembler.push(Bytes::copy_from_slice(&stream[..cut]), &mut Vec::new()).unwrap();
        assert_eq!(assembler.coming(), Some(9));
        let rest = assembler.rest().map(|(id, reply)| (id, joined(reply)));
        assert_eq!(rest, len.map(|len| (9, Reply::Data(whole(vec![5; len])))), "{cut}");
    }
}

proptest! {
    #[test]
    fn data_is_cut_where_it_should_be(pieces in proptest::collection::vec(1usize..20, 0..6), len in 0usize..100) {
        let content: Vec<u8> = (0..pieces.iter().sum::<usize>()).map(|at| at as u8).collect();
        let mut rest = Bytes::from(content.clone());
        let mut data = Data { len: content.len(), pieces: pieces.iter().map(|len| rest.split_to(*len)).collect() };
        data.truncate(len);
        prop_assert_eq!(data.len, len.min(content.len()));
        prop_assert_eq!(data.pieces.concat(), &content[..data.len]);
        prop_assert!(data.pieces.iter().all(|piece| !piece.is_empty()));
    }
}
