use super::*;
use crate::expr::Globals;
use tokio::time::Instant;

fn nap(toml: &str) -> Result<Box<dyn Request>, String> {
    let table = Table::parse(toml).map_err(|problems| problems[0].message.clone())?;
    let mut problems = Vec::new();
    let operation = Here.operation("job", table, &mut problems);
    let operation = operation.filter(|_| problems.is_empty()).ok_or_else(|| problems[0].message.clone())?;
    let scope = Scope::new(Arc::new(Globals::default())).with_item("1500ms".into());
    operation.request(&scope, None).map_err(|error| error.message)
}

#[tokio::test(start_paused = true)]
async fn it_takes_exactly_as_long_as_it_says() {
    for (toml, millis) in [("sleep = '2s'", 2000), ("sleep = '${{ item }}'", 1500), ("sleep = '0s'", 0)] {
        let started = Instant::now();
        let context = Context::detached();
        nap(toml).unwrap().call(&context, &mut Sink::Discard).await.unwrap();
        assert_eq!(started.elapsed().as_millis(), millis, "{toml}");
    }
}

#[test]
fn a_duration_has_a_unit() {
    let unit = "`sleep`: 2 needs a unit: write a duration such as \"30s\", \"5m\" or \"1h30m\"";
    assert_eq!(nap("sleep = 2").err().as_deref(), Some(unit));
    assert!(nap("sleep = '${{ item ~ 1 }}'").is_err());
}
