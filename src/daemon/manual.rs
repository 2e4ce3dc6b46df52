//! `chanceryd manual`: manual pages and completions of both commands, made from the definitions the command lines are parsed with.
//!
//! What they say is therefore what the commands take. It is called when the package is built and needs no appliance.

use std::fs;
use std::io;
use std::path::Path;

use clap::Command;
use clap_complete::Shell;
use clap_mangen::Man;

const MANUAL: &str = "Chancery";

/// Writes the pages of every command that is not hidden, a file each, and the completions, below `folder`.
///
/// `daemon` goes into section 8 and `client` into section 1.
pub fn write(folder: &Path, daemon: Command, client: Command) -> io::Result<()> {
    for (command, section) in [(daemon, "8"), (client, "1")] {
        completions(folder, &command)?;
        // `help` of each command would double the number of pages and say what --help says.
        let mut command = command.disable_help_subcommand(true);
        command.build();
        let folder = folder.join(format!("man/man{section}"));
        fs::create_dir_all(&folder)?;
        pages(&folder, &command, section)?;
    }
    Ok(())
}

fn pages(folder: &Path, command: &Command, section: &str) -> io::Result<()> {
    // A page that named the day it was made would make each package another.
    let page = Man::new(command.clone()).section(section).manual(MANUAL);
    page.generate_to(folder)?;
    command.get_subcommands().filter(|command| !command.is_hide_set()).try_for_each(|command| pages(folder, command, section))
}

/// Below the folders in which Debian's bash, zsh and fish look for them.
fn completions(folder: &Path, command: &Command) -> io::Result<()> {
    let name = command.get_name().to_owned();
    for (shell, place, file) in [
        (Shell::Bash, "bash-completion/completions", name.clone()),
        (Shell::Zsh, "zsh/vendor-completions", format!("_{name}")),
        (Shell::Fish, "fish/vendor_completions.d", format!("{name}.fish")),
    ] {
        let place = folder.join(place);
        fs::create_dir_all(&place)?;
        // Into memory first: the generator panics when its writer fails.
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut command.clone(), &name, &mut script);
        fs::write(place.join(file), script)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Arg;

    use super::*;

    #[test]
    fn each_command_that_is_shown_has_its_page() {
        let folder = tempfile::tempdir().unwrap();
        let hidden = Command::new("inward").hide(true);
        let shown = Command::new("outward").about("Goes out").arg(Arg::new("far").long("far").help("How far"));
        let daemon = Command::new("served").about("Serves").subcommand(hidden).subcommand(shown);
        write(folder.path(), daemon, Command::new("asked").about("Asks")).unwrap();

        let mut pages: Vec<_> = fs::read_dir(folder.path().join("man/man8")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        pages.sort();
        assert_eq!(pages, ["served-outward.8", "served.8"]);
        let page = fs::read_to_string(folder.path().join("man/man8/served-outward.8")).unwrap();
        assert!(page.contains("How far") && page.contains(r#".TH served-outward 8 "#), "{page}");
        assert!(folder.path().join("man/man1/asked.1").is_file());
        assert!(folder.path().join("zsh/vendor-completions/_served").is_file());
    }
}
