# Every task of the repository. `make` alone lists them.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

# Where `make run` keeps its appliance and where that listens.
DIR ?= ./dev
LISTEN ?= 127.0.0.1:8443
# How often each fuzz target is run, and how often `make crash` kills the daemon.
FUZZ_RUNS ?= 1000000
CRASH_ROUNDS ?= 1000
# How long `make faults` lets each fault of the token last, and how many certificates it issues while the module crashes.
FAULT_SECONDS ?= 10
FAULT_ISSUES ?= 5000
# How often `make powercut-test` cuts the power.
ROUNDS ?= 10
# Which of README's two commands `make newcomer-test` tries.
COMMANDS ?= run test
# A newer snapshot of the RustSec advisories as a .tar.gz, which `make advisories` takes into the tree.
ADVISORY_DB ?=

# rustup installs cargo where a shell that was open before does not look, and tests look for the venv's programs first.
export PATH := $(CURDIR)/target/venv/bin:$(PATH):$(HOME)/.cargo/bin

ifdef CI
export CARGO_TERM_COLOR := never
export NEXTEST_PROFILE := ci
endif

# The versions of the tools that are installed when they are missing.
NEXTEST := cargo-nextest@0.9.143
FUZZ := cargo-fuzz@0.13.2
DENY := cargo-deny@0.20.2
AUDIT := cargo-audit@0.22.2
AUDITABLE := cargo-auditable@0.7.7
DEB := cargo-deb@3.8.0

.PHONY: help run deps test deps-test lint fuzz crash faults portability slow-attacks testssl bench check deps-check dependencies advisories \
	deb deps-deb lintian piuparts install-test install-test-dev powercut-test newer reproduce newcomer-test

help: ## list what can be made
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

run: deps ## start an appliance in ./dev on https://127.0.0.1:8443 and issue a first certificate
	cargo build --release --locked --bins
	packaging/first-certificate.sh "$(DIR)" "$(LISTEN)"

deps: ## install what building and running need and the machine has not
	@packaging/install-missing.sh cargo /usr/include/stdio.h:libc6-dev cc:gcc make openssl curl jq \
		softhsm2-util:softhsm2 /usr/lib/softhsm/libsofthsm2.so:libsofthsm2

test: deps-test lint dependencies ## run every test: formatting, lints, dependencies, fuzz targets, unit and integration tests
	$(MAKE) --no-print-directory fuzz
	cargo nextest run --locked

deps-test: deps ## install what the tests need and the machine has not
	@packaging/install-missing.sh c++:g++ pkcs11-tool:opensc certtool:gnutls-bin strace systemd-analyze:systemd unshare:util-linux \
		/usr/include/p11-kit-1/p11-kit/pkcs11.h:libp11-kit-dev certutil:libnss3-tools module=ensurepip:python3-venv \
		ocsptool:gnutls-bin /usr/sbin/nginx:nginx-light /usr/sbin/named:bind9 nsupdate:bind9-dnsutils \
		lego dehydrated uacme acme-tiny caddy /usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1:libfaketime
	@cargo nextest --version >/dev/null 2>&1 || cargo install --locked $(NEXTEST)
	@cargo fuzz --version >/dev/null 2>&1 || cargo install --locked $(FUZZ)
	@$(MAKE) --silent --no-print-directory target/venv/installed

target/venv/installed: tests/requirements.txt
	rm -rf target/venv
	python3 -m venv target/venv
	target/venv/bin/pip install --quiet --disable-pip-version-check --requirement tests/requirements.txt
	touch $@

# Formatting and lints, which tests and checks share.
lint:
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings

fuzz: deps-test ## run every fuzz target FUZZ_RUNS times
	@RUNS=$(FUZZ_RUNS) tests/fuzz/run

crash: deps-test ## kill the daemon CRASH_ROUNDS times while it issues, and look for what was lost
	CHANCERY_CRASH_ROUNDS=$(CRASH_ROUNDS) cargo nextest run --locked --cargo-profile release --profile crash --test it -E 'test(/^crash::/)'

faults: deps-test ## make the token's module fail in every way for FAULT_SECONDS each, and crash and hang under FAULT_ISSUES issues
	CHANCERY_FAULT_SECONDS=$(FAULT_SECONDS) CHANCERY_FAULT_ISSUES=$(FAULT_ISSUES) cargo nextest run --locked --profile faults --test it -E 'test(/^faults::/)'

portability: deps-test ## build Kryoptic's PKCS#11 module and run the token's tests over it, and NSS behind p11-kit's proxy
	@packaging/install-missing.sh /usr/include/openssl/ssl.h:libssl-dev /usr/lib/llvm-14/lib/libclang.so:libclang-14-dev \
		/usr/lib/x86_64-linux-gnu/libsoftokn3.so:libnss3 /usr/lib/x86_64-linux-gnu/libp11-kit.so.0:libp11-kit0
	@tests/portability/run

slow-attacks: deps ## attack an appliance slowly, from one address and from many, while a healthy client asks
	@packaging/install-missing.sh slowhttptest python3
	cargo build --release --locked --bins
	python3 tests/attacks/slow.py

testssl: deps ## have testssl.sh look at an appliance's TLS; nothing at medium or above may be found
	@packaging/install-missing.sh testssl:testssl.sh python3
	cargo build --release --locked --bins
	python3 tests/attacks/testssl.py

bench: deps ## measure the token, the journal, signing over the API, and ACME beside other servers
	@packaging/install-missing.sh pebble caddy
	cargo bench --locked --bench '*'

check: deps lint dependencies ## lints, and what may enter the dependency tree: licences, sources, bans, advisories

dependencies: deps-check
	@packaging/check-dependencies.sh

deps-check:
	@cargo deny --version >/dev/null 2>&1 || cargo install --locked $(DENY)
	@cargo audit --version >/dev/null 2>&1 || cargo install --locked --no-default-features $(AUDIT)

advisories: ## take a newer snapshot of the advisories into the tree: ADVISORY_DB=FILE.tar.gz
	@packaging/advisories.sh "$(ADVISORY_DB)"

deb: deps deps-deb ## make the Debian packages in target/debian
	packaging/build.sh
	packaging/deb.sh target/debian

deps-deb:
	@packaging/install-missing.sh git dpkg-deb:dpkg-dev objcopy:binutils
	@cargo deb --version >/dev/null 2>&1 || cargo install --locked $(DEB)
	@cargo auditable --version >/dev/null 2>&1 || cargo install --locked $(AUDITABLE)

# The same packages with a higher version, which the tests upgrade to.
newer: deb
	packaging/deb.sh target/debian-newer "$$(dpkg-deb --field target/debian/chanceryd_*.deb Version)+test"

lintian: deb ## hold the packages against Debian's policy
	@packaging/install-missing.sh lintian
	lintian --pedantic --fail-on error,warning target/debian/*.deb

piuparts: newer ## install, upgrade and purge the packages in a bare Debian, and look for what is left
	@packaging/install-missing.sh piuparts mmdebstrap
	packaging/piuparts.sh target/debian target/debian-newer

install-test: newer ## install, run, kill, upgrade, remove and purge the packages on a Debian 12 that is booted for it; takes root
	@packaging/install-missing.sh mmdebstrap systemd-nspawn:systemd-container
	packaging/install-test.sh target/debian target/debian-newer

install-test-dev: deps deps-deb ## the install test with packages of the development build, which the tests build anyway; CI runs it
	@packaging/install-missing.sh mmdebstrap systemd-nspawn:systemd-container
	cargo build --locked --bins --tests
	PROFILE=dev packaging/deb.sh target/debian-dev
	PROFILE=dev packaging/deb.sh target/debian-dev-newer "$$(dpkg-deb --field target/debian-dev/chanceryd_*.deb Version)+test"
	packaging/install-test.sh target/debian-dev target/debian-dev-newer

powercut-test: deb ## cut the power of a virtual machine that issues, ROUNDS times; takes root
	@packaging/install-missing.sh mmdebstrap mke2fs:e2fsprogs qemu-system-x86_64:qemu-system-x86 python3
	packaging/powercut-test.sh target/debian $(ROUNDS)

reproduce: deb ## build the packages once more, elsewhere, and compare
	packaging/reproduce.sh target/debian

newcomer-test: ## README's two commands on a bare Debian 12: COMMANDS, for hours; takes root
	@packaging/install-missing.sh git mmdebstrap unshare:util-linux
	packaging/newcomer-test.sh $(COMMANDS)
