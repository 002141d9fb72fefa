use super::Settings;
use crate::secret::Redactor;
use std::time::Duration;

fn read(flag: Option<&str>, variables: &[(&str, &str)]) -> Result<Option<Settings>, String> {
    let env = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, v)| (*v).to_owned());
    Settings::read(flag, env, &Redactor::new())
}

fn url(flag: Option<&str>, variables: &[(&str, &str)]) -> Option<String> {
    read(flag, variables).unwrap().map(|settings| settings.url.to_string())
}

const ALL: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://all:4318/");
const TRACES: (&str, &str) = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://traces:4318/as/it/stands");

#[test]
fn the_endpoint_is_the_flags_or_that_of_traces_or_that_of_all() {
    assert_eq!(url(None, &[]), None);
    assert_eq!(url(None, &[ALL]).unwrap(), "http://all:4318/v1/traces");
    assert_eq!(url(None, &[ALL, TRACES]).unwrap(), "http://traces:4318/as/it/stands");
    for flag in ["http://flag/x", "http://flag/x/", "http://flag/x/v1/traces"] {
        assert_eq!(url(Some(flag), &[ALL, TRACES]).unwrap(), "http://flag/x/v1/traces");
    }
}

#[test]
fn the_environment_can_turn_it_off() {
    let flag = Some("http://flag");
    let none = ("OTEL_TRACES_EXPORTER", "none");
    assert_eq!((url(None, &[ALL, none]), url(flag, &[none]).is_some()), (None, true));
    assert!(url(None, &[ALL, ("OTEL_TRACES_EXPORTER", "console, otlp")]).is_some());
    let disabled = ("OTEL_SDK_DISABLED", "TRUE");
    assert_eq!((url(None, &[ALL, disabled]), url(flag, &[disabled])), (None, None));
    let parent = |flags| format!("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-{flags}");
    assert_eq!(
        url(flag, &[("TRACEPARENT", &parent("00"))]),
        None,
        "whoever began the trace does not record it"
    );
    let read = read(flag, &[("TRACEPARENT", &parent("01"))]).unwrap().unwrap();
    assert_eq!(read.parent.unwrap().span, [0xb7, 0xad, 0x6b, 0x71, 0x69, 0x20, 0x33, 0x31]);
}

#[test]
fn headers_timeout_and_service_are_read() {
    let settings = read(
        None,
        &[
            ALL,
            ("OTEL_EXPORTER_OTLP_HEADERS", "x-key=a%20b%3D, authorization = Basic%20eA=="),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "1500"),
            ("OTEL_RESOURCE_ATTRIBUTES", "service.name=other,deployment.environment.name=night%2Cly"),
            ("OTEL_SERVICE_NAME", "mine"),
        ],
    );
    let settings = settings.unwrap().unwrap();
    assert_eq!(
        (&settings.headers["x-key"], &settings.headers["authorization"]),
        (&"a b=".parse().unwrap(), &"Basic eA==".parse().unwrap())
    );
    assert!(settings.headers.values().all(reqwest::header::HeaderValue::is_sensitive));
    assert_eq!(settings.timeout, Duration::from_millis(1500));
    let of = |name: &str| {
        settings.service.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(of("service.name"), ["mine"]);
    assert_eq!(of("deployment.environment.name"), ["night,ly"]);
    assert_eq!(of("service.version"), [env!("CARGO_PKG_VERSION")]);
}

#[test]
fn what_cannot_be_used_is_said_without_secrets() {
    let wrong = |variables: &[(&str, &str)]| read(None, &[&[ALL], variables].concat()).unwrap_err();
    let errors = [
        wrong(&[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]),
        wrong(&[("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json")]),
        wrong(&[("OTEL_EXPORTER_OTLP_TIMEOUT", "10s")]),
        wrong(&[("OTEL_EXPORTER_OTLP_HEADERS", "x-key=a,c4nary")]),
        wrong(&[("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "x key=c4nary")]),
        wrong(&[("OTEL_RESOURCE_ATTRIBUTES", "name")]),
        read(Some("ftp://u:c4nary@host"), &[]).unwrap_err(),
        read(Some("localhost:4318"), &[]).unwrap_err(),
        read(Some("http://u:c4nary@[bad"), &[]).unwrap_err(),
    ];
    insta::assert_snapshot!(errors.join("\n"), @r#"
    OTEL_EXPORTER_OTLP_PROTOCOL is "grpc": spans can only be sent by http/protobuf
      (collectors listen for it on port 4318)
    OTEL_EXPORTER_OTLP_TRACES_PROTOCOL is "http/json": spans can only be sent by http/protobuf
      (collectors listen for it on port 4318)
    OTEL_EXPORTER_OTLP_TIMEOUT: must be milliseconds
    OTEL_EXPORTER_OTLP_HEADERS: entry 2 is not NAME=VALUE
    OTEL_EXPORTER_OTLP_TRACES_HEADERS: "x key" is not a header that can be sent
    OTEL_RESOURCE_ATTRIBUTES: entry 1 is not NAME=VALUE
    --otlp: must be a URL that begins with http:// or https://
    --otlp: must be a URL that begins with http:// or https://
    --otlp: not a URL: invalid IPv6 address
    "#);
}
