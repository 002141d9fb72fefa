//! What can be typed. Not here: what it means.

use crate::config::{Progress, When};
use crate::history::Overlap;
use crate::report::what_if::Change;
use crate::units::Bandwidth;
use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use std::path::PathBuf;

/// The version, with the commit it was built from where that is known.
const VERSION: &str = env!("FANOUT_VERSION");

/// Run independent HTTP calls, SQL queries and SFTP fetches at once, within what each server can bear, and see the
/// overlap.
#[derive(Debug, Parser)]
#[command(name = "fanout", version = VERSION, max_term_width = 100)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Command,
    #[command(flatten)]
    pub(super) globals: Globals,
}

impl Command {
    /// Whether every item is to have its line.
    pub(super) fn is_verbose(&self) -> bool {
        match self {
            Command::Run(arguments) => arguments.flags.verbose,
            Command::Fetch(arguments) => arguments.flags.verbose,
            _ => false,
        }
    }
}

/// Flags of every command.
#[derive(Debug, Args)]
pub(super) struct Globals {
    /// Settings, in place of those of the user and the machine where it has them.
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Print nothing when the exit code is 0.
    #[arg(short, long, global = true)]
    pub(super) quiet: bool,
    /// Threads of the runtime; 0 is one a core.
    #[arg(long, global = true, value_name = "N")]
    pub(super) threads: Option<usize>,
    /// What is logged to stderr: a level, or target=level,..
    #[arg(long, global = true, value_name = "FILTER")]
    pub(super) log: Option<String>,
    /// Colors.
    #[arg(long, global = true, value_name = "WHEN")]
    pub(super) color: Option<When>,
    /// What is shown while a run goes on.
    #[arg(long, global = true, value_name = "VIEW")]
    pub(super) progress: Option<Progress>,
    /// The folder that runs are recorded in.
    #[arg(long, global = true, value_name = "FOLDER")]
    pub(super) state_dir: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run a plan.
    Run(RunArguments),
    /// Fetch files over SFTP.
    Fetch(FetchArguments),
    /// Check a plan, and say all its mistakes.
    Check(CheckArguments),
    /// Run a plan one item after the other, then at once, and compare.
    Compare(CompareArguments),
    /// See the overlap on servers of its own.
    Demo,
    /// List the runs that are recorded.
    History(HistoryArguments),
    /// Show a run that is recorded, or an event log.
    Show(ShowArguments),
    /// List or forget what plans remember of what they took.
    #[command(subcommand)]
    State(StateCommand),
    /// Print the JSON Schema of plans, for editors.
    Schema,
    /// Print a shell's completions.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Clone, Args)]
pub(super) struct RunArguments {
    #[command(flatten)]
    pub(super) plan: PlanArguments,
    #[command(flatten)]
    pub(super) flags: RunFlags,
    /// The folder that outputs are under, in place of the plan's.
    #[arg(long, value_name = "FOLDER")]
    pub(super) output_dir: Option<PathBuf>,
    /// What to do if the plan is running already.
    #[arg(long, value_name = "WHAT", default_value = "refuse")]
    pub(super) overlap: WhenRunning,
}

/// How something is run: a plan, or what stands for one.
#[derive(Debug, Clone, Args)]
pub(super) struct RunFlags {
    /// Items at once over the whole run.
    #[arg(short = 'j', long, value_name = "N", value_parser = count)]
    pub(super) concurrency: Option<u64>,
    /// Say what would be done: list, and transfer nothing.
    #[arg(short = 'n', long, conflicts_with = "events")]
    pub(super) dry_run: bool,
    /// A line for every item that ends; with --dry-run for every item there is, however many.
    #[arg(short, long)]
    pub(super) verbose: bool,
    /// One item after the other.
    #[arg(long)]
    pub(super) sequential: bool,
    /// When to stop: a duration such as 5h, or a time of day such as 05:30.
    #[arg(long, value_name = "WHEN")]
    pub(super) deadline: Option<String>,
    /// Stop everything at the first item that is lost.
    #[arg(long)]
    pub(super) fail_fast: bool,
    /// Write the event log, as JSON Lines, to stdout or a file.
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true, default_missing_value = "-")]
    pub(super) events: Option<PathBuf>,
    /// Send spans to a collector by OTLP, such as http://localhost:4318.
    #[arg(long, value_name = "URL")]
    pub(super) otlp: Option<String>,
}

#[derive(Debug, Clone, Args)]
pub(super) struct FetchArguments {
    /// What to fetch: sftp://[USER@]HOST[:PORT]/PATH, a file, a folder or a pattern with *, ?, **, [..], {a,b}; /~/PATH
    /// is below the login folder. - reads URLs from stdin, one a line.
    #[arg(value_name = "SFTP_URL", required = true, value_hint = ValueHint::Url)]
    pub(super) urls: Vec<String>,
    /// Where to: a folder, which ends in / or is there, or the name of the one file.
    #[arg(value_name = "DEST", required = true, value_hint = ValueHint::AnyPath)]
    pub(super) destination: String,
    /// The private key to log in with.
    #[arg(short = 'i', long, visible_alias = "identity", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) key: Option<String>,
    /// The port of URLs that name none.
    #[arg(short = 'P', long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) port: Option<u16>,
    /// Hosts on the way: [USER@]HOST[:PORT], the first first, commas between them; none, whatever the configuration says.
    #[arg(short = 'J', long, value_name = "HOST,..", value_delimiter = ',')]
    pub(super) jump: Vec<String>,
    /// The file of known hosts, in place of the usual ones.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) known_hosts: Option<String>,
    /// Trust hosts that are not known yet, and know them from then on. A key that changed is never trusted.
    #[arg(long)]
    pub(super) accept_new: bool,
    /// The OpenSSH configuration, in place of ~/.ssh/config and /etc/ssh/ssh_config; none is none.
    #[arg(short = 'F', long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) ssh_config: Option<String>,
    /// How fast files are read from each server, such as 10MiB/s.
    #[arg(long, value_name = "BYTES/TIME")]
    pub(super) bandwidth: Option<Bandwidth>,
    /// The SHA-256 that the file must have, in hexadecimal digits; one with another is not kept.
    #[arg(long, value_name = "HEX")]
    pub(super) sha256: Option<String>,
    /// Print the plan that this stands for, and fetch nothing.
    #[arg(long)]
    pub(super) print_plan: bool,
    #[command(flatten)]
    pub(super) flags: RunFlags,
}

/// What to do if a plan is running already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum WhenRunning {
    /// Do not begin: exit code 8.
    Refuse,
    /// Begin when it has ended.
    Wait,
    /// Begin all the same.
    Allow,
}

impl From<WhenRunning> for Overlap {
    fn from(when: WhenRunning) -> Overlap {
        match when {
            WhenRunning::Refuse => Overlap::Refuse,
            WhenRunning::Wait => Overlap::Wait,
            WhenRunning::Allow => Overlap::Allow,
        }
    }
}

/// A plan, and what of it.
#[derive(Debug, Clone, Args)]
pub(super) struct PlanArguments {
    /// The plan.
    #[arg(default_value = "fanout.toml")]
    pub(super) plan: PathBuf,
    /// Only these jobs, and what they need. Names may hold * and ?.
    #[arg(value_name = "JOB")]
    pub(super) jobs: Vec<String>,
    /// A variable of the plan.
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = assignment)]
    pub(super) vars: Vec<(String, String)>,
    /// Only jobs of this source, and what they need.
    #[arg(long = "source", value_name = "NAME")]
    pub(super) sources: Vec<String>,
    /// Not this job.
    #[arg(long = "skip", value_name = "JOB")]
    pub(super) skip: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct CheckArguments {
    #[command(flatten)]
    pub(super) plan: PlanArguments,
    /// Connect to the sources and log in, too.
    #[arg(long)]
    pub(super) connect: bool,
}

#[derive(Debug, Args)]
pub(super) struct HistoryArguments {
    /// Only runs of this plan: its name or its file.
    pub(super) plan: Option<String>,
    /// How this item did in them: JOB, or JOB[KEY].
    #[arg(requires = "plan")]
    pub(super) item: Option<String>,
    /// At most so many, the latest first.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
    pub(super) number: u32,
    /// JSON Lines, for programs.
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum StateCommand {
    /// List what is remembered of each job.
    List {
        /// JSON Lines, for programs.
        #[arg(long)]
        json: bool,
    },
    /// Forget what a plan took, so that it is taken again.
    Forget {
        /// The plan: its name or its file.
        plan: String,
        /// Only of this: JOB, or JOB[KEY].
        item: Option<String>,
    },
}

#[derive(Debug, Args)]
pub(super) struct ShowArguments {
    /// A run's id or how it begins, a plan's name or file (its latest run), an event log, or - for one on stdin; the
    /// latest run if nothing is said.
    #[arg(value_name = "RUN|PLAN|FILE")]
    pub(super) target: Option<String>,
    /// What to draw.
    #[arg(long = "as", value_name = "FORM", default_value = "text")]
    pub(super) form: Form,
    /// What the run would have taken with another limit, such as sources.shop.concurrency=12: its recorded times are
    /// played again. May be given more than once.
    #[arg(long, value_name = "LIMIT=VALUE", conflicts_with = "form")]
    pub(super) what_if: Vec<Change>,
    /// Write it into a file.
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
}

/// A view of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Form {
    /// The waterfall and the figures.
    Text,
    /// The event log.
    Events,
    /// A page for a browser, in one file.
    Html,
    /// A trace file for Perfetto (ui.perfetto.dev) and chrome://tracing.
    Trace,
    /// JUnit XML, as CI systems read it.
    Junit,
    /// The outputs, as JSON Lines.
    Files,
}

#[derive(Debug, Args)]
pub(super) struct CompareArguments {
    #[command(flatten)]
    pub(super) plan: PlanArguments,
    /// Run jobs that change something at their source, three times.
    #[arg(long)]
    pub(super) yes: bool,
}

impl Form {
    /// Whether it is made to be read by programs alone.
    pub(super) fn is_binary(self) -> bool {
        match self {
            Form::Text | Form::Events | Form::Junit | Form::Files => false,
            Form::Html | Form::Trace => true,
        }
    }
}

impl std::fmt::Display for Form {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let value = self.to_possible_value().expect("no form is hidden");
        f.write_str(value.get_name())
    }
}

fn count(text: &str) -> Result<u64, &'static str> {
    text.parse().ok().filter(|count| *count > 0).ok_or("must be a whole number, 1 or more")
}

fn assignment(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .ok_or_else(|| "must be NAME=VALUE".to_owned())
}
