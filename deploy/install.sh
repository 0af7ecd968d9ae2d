#!/usr/bin/env bash
# Puts BotTalk on a machine, and takes it to another version and back. `deploy/install.sh --help` says how.
set -euo pipefail
umask 022 # the account must be able to read what root installs
unset PYTHONPATH PYTHONHOME

usage() {
  cat <<'HELP'
Install BotTalk on this machine, upgrade it, go back, remove it.

Usage: install.sh COMMAND [OPTIONS]

Commands:
  install    Make the account, the program, the settings and the systemd units, and start the daemon. Run it again as
             often as you like: it mends what is missing and changes nothing else. A newer version here is an upgrade.
  upgrade    The same for a machine that has BotTalk already. The new version is made beside the running one and asked
             whether it can work with the settings and the database; the database is backed up; then the daemon is
             restarted. If the new one does not start, the old one is put back and started.
  rollback   Go back to the version before, which was kept. The database stays as it is: no push that was accepted
             meanwhile is lost. A version that cannot work with it is not put back. Once more: forward again.
  uninstall  Stop the daemon and remove the program and the units. Settings and data stay.

Options:
  --wheel FILE     Install this wheel instead of building one from the source that this script lies in.
  --wheels DIR     Take everything that is installed from the wheels in this directory, nothing from the network.
  --python FILE    The Python to use, 3.11 or newer [default: python3].
  --prefix DIR     Where the program lies [default: /opt/bottalk].
  --root DIR       Put everything below DIR, without an account of its own and without systemd: to try it out, or to run
                   it as yourself. Needs no root rights.
  --no-systemd     Leave the daemon's start and stop to you. So it is where systemd does not run.
  --purge          With uninstall: remove settings, data and account too. There is no way back from this.
  -h, --help       This text.

What lies where:
  /opt/bottalk/current        the program, a virtual environment; `previous` is the version before
  /opt/bottalk/install.sh     this script, for rollback and uninstall
  /usr/local/bin/bottalk      runs BotTalk's commands on the daemon's data, as its account: bottalk admin grant …
  /etc/bottalk/bottalk.toml   the settings, yours; bottalk.toml.default has all of this version's, with their defaults
  /etc/bottalk/environment    settings that others must not read, one NAME=value a line; make it yourself, mode 0600
  /var/lib/bottalk            the data
  /etc/systemd/system         bottalk.service, bottalk-backup.service, bottalk-backup.timer

Examples:
  sudo deploy/install.sh install
  git pull && sudo deploy/install.sh upgrade
  sudo /opt/bottalk/install.sh rollback
  deploy/install.sh install --root "$HOME/bottalk"

Exit codes: 0 done, 1 it could not be done and everything is as it was (or what is not is said), 64 wrong usage.
HELP
}

say() { printf '%s\n' "$*"; }
die() { printf 'install.sh: %s\n' "$*" >&2; exit 1; }
misused() { printf 'install.sh: %s (see --help)\n' "$*" >&2; exit 64; }

# ---- what was asked

command='' wheel='' wheels='' python=python3 prefix=/opt/bottalk root='' systemd=auto purge=no

parse() {
  local value
  while (($#)); do
    case $1 in
      -h | --help) usage; exit 0 ;;
      --no-systemd) systemd=no ;;
      --purge) purge=yes ;;
      --wheel | --wheels | --python | --prefix | --root)
        (($# > 1)) || misused "$1 needs a value"
        value=$2
        case $1 in
          --wheel) wheel=$(realpath -e -- "$value" 2>/dev/null) || die "there is no wheel $value" ;;
          --wheels) wheels=$(realpath -e -- "$value" 2>/dev/null) || die "there is no directory $value" ;;
          --python) python=$value ;;
          --prefix) prefix=${value%/} ;;
          --root) root=$(realpath -m -- "$value") ;;
        esac
        shift
        ;;
      -*) misused "unknown option $1" ;;
      *) [[ -z $command ]] || misused "one command at a time"; command=$1 ;;
    esac
    shift
  done
  case $command in
    install | upgrade | rollback | uninstall) ;;
    '') misused 'say what to do: install, upgrade, rollback or uninstall' ;;
    *) misused "unknown command $command" ;;
  esac
  [[ $purge == no || $command == uninstall ]] || misused '--purge belongs to uninstall'
  # these become part of the units and of a script
  [[ $prefix =~ ^(/[A-Za-z0-9._-]+)+$ && "$prefix/" != */../* ]] || misused "--prefix must be a plain absolute path"
  [[ -z $root || $root =~ ^(/[A-Za-z0-9._-]+)+$ ]] || misused "--root must be a plain path"
}

parse "$@"

home=$root$prefix
etc=$root/etc/bottalk
data=$root/var/lib/bottalk
units=$root/etc/systemd/system
wrapper=$root/usr/local/bin/bottalk
account=bottalk
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
source=$(dirname -- "$here")

[[ -z $root ]] || systemd=no
if [[ $systemd == auto ]]; then
  if [[ -d /run/systemd/system ]]; then systemd=yes; else systemd=no; fi
fi
[[ -n $root || $EUID == 0 ]] || die 'this needs root rights: use sudo, or --root DIR to put everything below a directory'

# ---- small things

as_account() { # run a command as the daemon's account, so that no file in the data directory becomes root's
  if [[ -n $root ]]; then "$@"; else runuser -u "$account" -- "$@"; fi
}

bottalk_of() { # bottalk_of VENV ARGUMENTS…: a command of that version, on the daemon's settings and data
  local venv=$1 subcommand=$2
  shift 2
  (cd / && as_account env "DATA_DIR=$data" "$venv/bin/bottalk" "$subcommand" --config "$etc/bottalk.toml" "$@")
}

link() { # link NAME TARGET: at no moment is there no such name; without a target, it goes
  if [[ -z $2 ]]; then
    rm -f -- "$home/$1"
    return
  fi
  ln -sfn -- "$2" "$home/.$1.new"
  mv -T -- "$home/.$1.new" "$home/$1"
}

target() { readlink -- "$home/$1" 2>/dev/null || true; }

version() { "$1/bin/bottalk" --version | sed 's/.* //'; }

holder() { head -n 1 -- "$data/bottalk.lock"; } # the daemon's process id; the lines after it say where and since when

runs() { [[ -e $data/bottalk.lock ]] && ! flock --nonblock --shared "$data/bottalk.lock" true; }

# ---- the program

making='' # a virtual environment that is not complete yet

unmake() {
  [[ -z $making ]] || rm -rf -- "$making"
  making=''
}
trap unmake EXIT

check_python() {
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
    die "$python is not there or older than 3.11: name another with --python"
  "$python" -c 'import ensurepip, venv' 2>/dev/null ||
    die "$python cannot make virtual environments (on Debian: apt-get install python3-venv)"
}

make_program() { # sets `made` to the virtual environment of this version, which may be the current one
  local pip fingerprint built=''
  check_python
  [[ -f $source/requirements.lock && -f $source/config/bottalk.toml ]] ||
    die "$here is not in BotTalk's source: run the script that came with the version to install"
  if [[ -n $wheel ]] && is_current "$(fingerprint_of "$wheel")"; then
    made=$(target current)
    return
  fi
  mkdir -p -- "$home/venvs"
  making=$(mktemp -d -- "$home/venvs/$(date -u +%Y%m%d)-XXXXXX")
  chmod 755 -- "$making"
  say "making $making …"
  "$python" -m venv -- "$making"
  (cd / && as_account "$making/bin/python" -c '') 2>/dev/null ||
    die "the account $account cannot run $python: it must not lie in somebody's home. Name another with --python"
  pip=("$making/bin/python" -m pip --disable-pip-version-check --no-input --quiet)
  local offline=()
  [[ -z $wheels ]] || offline=(--no-index --find-links "$wheels")
  if [[ -z $wheel ]]; then
    built=$making/built
    "${pip[@]}" wheel --no-deps "${offline[@]}" --wheel-dir "$built" "$source" || die 'no wheel could be built'
    wheel=$(echo "$built"/bottalk-*.whl)
  fi
  fingerprint=$(fingerprint_of "$wheel")
  if is_current "$fingerprint"; then
    unmake
    made=$(target current)
    return
  fi
  "${pip[@]}" install --constraint "$source/requirements.lock" "${offline[@]}" "$wheel" ||
    die 'the packages could not be installed'
  [[ -z $built ]] || rm -rf -- "$built"
  keep_beside "$making"
  version "$making" >/dev/null || die 'what was installed does not run'
  echo "$fingerprint" >"$making/share/bottalk/fingerprint"
  made=$making
}

fingerprint_of() { # what decides whether two installations are the same: the wheel, the locked versions, the units
  cat -- "$1" "$source/requirements.lock" "$source/config/bottalk.toml" "$here"/bottalk*.{service,timer} "$here/install.sh" |
    sha256sum | cut -d ' ' -f 1
}

is_current() { [[ "$(cat -- "$home/current/share/bottalk/fingerprint" 2>/dev/null)" == "$1" ]]; }

keep_beside() { # the files of this version that are not in its wheel: a rollback puts its own back
  local share=$1/share/bottalk file
  mkdir -p -- "$share"
  cp -- "$source/config/bottalk.toml" "$here/install.sh" "$share"
  for file in "$here"/bottalk*.{service,timer}; do
    sed -e "s|/opt/bottalk|$home|g" -e "s|/etc/bottalk|$etc|g" "$file" >"$share/${file##*/}"
    # below a root, %S and the account would be another's
    [[ -z $root ]] || sed -i -e "s|%S/bottalk|$data|g" -e '/^\(User\|Group\|StateDirectory\)/d' "$share/${file##*/}"
  done
}

prune() {
  local venv
  for venv in "$home"/venvs/*; do
    if [[ $venv != "$(target current)" && $venv != "$(target previous)" ]]; then rm -rf -- "$venv"; fi
  done
}

# ---- account, settings, data

make_account() {
  [[ -z $root ]] || return 0
  getent passwd "$account" >/dev/null && return 0
  useradd --system --user-group --no-create-home --home-dir "$data" --shell /usr/sbin/nologin "$account"
  say "made the account $account"
}

make_places() {
  local owner=()
  if [[ -z $root ]]; then owner=(-o "$account" -g "$account"); fi
  install -d -m 755 -- "$home" "$units" "$(dirname -- "$wrapper")"
  install -d -m 700 "${owner[@]}" -- "$data"
  install -d -m 755 -- "$etc"
}

make_settings() { # $1: virtual environment. The settings may hold secrets: root writes them, the account reads them
  local group=()
  if [[ -z $root ]]; then group=(-g "$account"); fi
  [[ -e $etc/bottalk.toml ]] || install -m 640 "${group[@]}" -- "$1/share/bottalk/bottalk.toml" "$etc/bottalk.toml"
}

# ---- from version to version

place() { # place VENV: what belongs to a version, outside of its virtual environment
  install -m 644 -- "$1"/share/bottalk/bottalk*.{service,timer} "$units"
  install -m 644 -- "$1/share/bottalk/bottalk.toml" "$etc/bottalk.toml.default"
  install -m 755 -- "$1/share/bottalk/install.sh" "$home/.install.sh.new"
  mv -- "$home/.install.sh.new" "$home/install.sh" # not into the file that is running
  local run_as=''
  [[ -n $root ]] || run_as="[ \"\$(id -u)\" -ne 0 ] || exec runuser -u $account -- env \"DATA_DIR=$data\" \"$home/current/bin/bottalk\" \"\$@\""
  cat >"$wrapper.new" <<SCRIPT
#!/bin/sh
# Made by $home/install.sh: BotTalk's commands on the installed daemon's data, as its account.
unset PYTHONPATH PYTHONHOME
$run_as
exec env "DATA_DIR=$data" "$home/current/bin/bottalk" "\$@"
SCRIPT
  chmod 755 -- "$wrapper.new"
  mv -- "$wrapper.new" "$wrapper"
}

switch() { # switch VENV PREVIOUS: make VENV the current version and start it; fails when it does not start
  link current "$1" && link previous "$2" && place "$1" || return 1
  [[ $systemd == yes ]] || return 0
  systemctl daemon-reload && systemctl enable --quiet bottalk.service || return 1
  systemctl restart bottalk.service # Type=notify: returns when it serves, or has failed
}

tell_how_to_start() {
  [[ $systemd == no ]] || return 0
  if runs; then
    say "the daemon that runs (process $(holder)) is still the old one: stop it, and start"
  else
    say 'systemd does not look after it; to start it:'
  fi
  local start="env DATA_DIR=$data $home/current/bin/bottalk serve --config $etc/bottalk.toml"
  if [[ -z $root ]]; then start="runuser -u $account -- $start"; fi
  say "  $start"
}

install_this() {
  local old older
  old=$(target current) older=$(target previous)
  made=''
  make_account
  make_places
  exec 9>"$home/.lock"
  flock --nonblock 9 || die 'another install.sh is at work'
  make_program
  make_settings "$made"
  if [[ $made == "$old" ]]; then
    place "$old"
    if [[ $systemd == yes ]]; then
      systemctl daemon-reload
      systemctl enable --quiet --now bottalk.service
    fi
    say "BotTalk $(version "$old") is installed already"
    return
  fi
  bottalk_of "$made" check || die "BotTalk $(version "$made") cannot work with what is here; nothing was changed"
  if [[ -n $old && -e $data/bottalk.db ]]; then
    bottalk_of "$old" backup || die 'the database could not be backed up; nothing was changed'
  fi
  making='' # from now on it is not only ours
  if ! switch "$made" "$old"; then
    [[ -n $old ]] || die 'BotTalk is installed, but does not start: journalctl -u bottalk'
    put_back "$old" "$made" "$older"
  fi
  prune
  say "BotTalk $(version "$made") is installed${old:+ (before: $(version "$old"))}"
  tell_how_to_start
}

put_back() { # put_back OLD NEW OLDER: the new version did not start
  say "BotTalk $(version "$2") does not start (journalctl -u bottalk); going back to $(version "$1")" >&2
  switch "$1" "$3" || die 'the old version does not start either: journalctl -u bottalk'
  rm -rf -- "$2"
  die "BotTalk $(version "$1") runs again"
}

rollback() {
  local current previous
  current=$(target current) previous=$(target previous)
  [[ -n $previous && -d $previous ]] || die "there is no version before the current one in $home"
  exec 9>"$home/.lock"
  flock --nonblock 9 || die 'another install.sh is at work'
  if ! bottalk_of "$previous" check; then
    say "BotTalk $(version "$previous") cannot work with the database or the settings as they are; nothing was changed." >&2
    say "What was there before the upgrade is kept: ls $data/bottalk.db.before-* $data/backups" >&2
    die 'to go back all the same, and lose what came since: stop the daemon and restore one of them with that version'
  fi
  if ! switch "$previous" "$current"; then
    switch "$current" "$previous" || die 'neither version starts: journalctl -u bottalk'
    die "BotTalk $(version "$previous") does not start; $(version "$current") runs again"
  fi
  say "BotTalk $(version "$previous") is back (before: $(version "$current"))"
  tell_how_to_start
}

uninstall() {
  [[ -d $home/venvs || $purge == yes ]] || die "there is no BotTalk in $home"
  if [[ $systemd == yes && -e $units/bottalk.service ]]; then
    systemctl disable --quiet --now bottalk.service bottalk-backup.timer
  fi
  if runs; then die "the daemon runs (process $(holder)): stop it first"; fi
  rm -f -- "$units"/bottalk.service "$units"/bottalk-backup.{service,timer} "$wrapper"
  if [[ $systemd == yes ]]; then systemctl daemon-reload; fi
  rm -rf -- "$home/venvs" "$home/current" "$home/previous" "$home/install.sh" "$home/.lock"
  if [[ -d $home ]]; then rmdir --ignore-fail-on-non-empty -- "$home"; fi
  if [[ $purge == no ]]; then
    say "BotTalk is removed; settings and data are kept: $etc $data"
    return
  fi
  rm -rf -- "$etc" "$data"
  if [[ -z $root ]] && getent passwd "$account" >/dev/null; then userdel "$account"; fi
  say 'BotTalk is removed, with settings and data'
}

case $command in
  install) install_this ;;
  upgrade)
    [[ -n $(target current) ]] || die "there is no BotTalk in $home to upgrade: use install"
    install_this
    ;;
  rollback) rollback ;;
  uninstall) uninstall ;;
esac
