# make run and make test are all that a newcomer needs; make check is all that CI runs.

VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
REVISION ?= $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
VERSION_PKG := github.com/prometheus/common/version
LDFLAGS := -s -w -X $(VERSION_PKG).Version=$(VERSION) -X $(VERSION_PKG).Revision=$(REVISION)
GO ?= go
FUZZTIME ?= 30s
FUZZJOBS ?= 2
FUZZ ?= .
BENCHTIME ?= 1s
CHURN ?= 60s
LIVES ?= 30
SOAK ?= 10m
WORKLOADS ?= 50 300 1000
ARGS ?=
EXPERIMENT ?=
SCREENSHOTS ?=

# A package's version begins with a digit, and everything in it has the commit's time, so that two builds are the same.
PACKAGE_VERSION ?= $(or $(patsubst v%,%,$(shell git describe --tags --exact-match 2>/dev/null)),0.0.0~git$(shell git show -s --format=%cd.%h --date=format:%Y%m%d 2>/dev/null))
SOURCE_DATE_EPOCH ?= $(shell git show -s --format=%ct 2>/dev/null || echo 0)
ARCHES ?= amd64 arm64
PACKAGERS ?= deb rpm
HOST_ARCH := $(shell $(GO) env GOARCH)
DIST ?= dist
IMAGE ?= workload_exporter:$(subst ~,-,$(PACKAGE_VERSION))
NFPM := $(GO) tool -modfile=tools/nfpm/go.mod nfpm

.PHONY: build run test race lint fmt tidy golden faults dashboards rules fleet fuzz bench bench-lab churn soak browser e2e latency experiment demo check packages release vulncheck image chart clean FORCE

build:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags "$(LDFLAGS)" -o workload_exporter .

# Needs no root. ARGS="--help" shows the flags.
run: build
	./workload_exporter $(ARGS)

# Needs no root. What a test needs and a laptop lacks (libvirtd) is skipped there, and a failure in CI.
test:
	$(GO) vet ./...
	$(GO) vet -tags e2e,latency,experiment ./e2e
	$(GO) test -count=1 ./...
	$(GO) -C tools/dashboards test -count=1 ./...

race:
	$(GO) test -race -count=1 ./...

lint:
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -d $$(git ls-files '*.go'); exit 1; }
	$(GO) tool -modfile=tools/golangci-lint/go.mod golangci-lint run --allow-parallel-runners ./...
	for dir in tools/dashboards tools/prometheus tools/browser tools/helm tools/compose; do \
		(cd $$dir && $(GO) tool -modfile=../golangci-lint/go.mod golangci-lint run --allow-parallel-runners ./...) || exit 1; done

fmt:
	$(GO) tool -modfile=tools/golangci-lint/go.mod golangci-lint fmt ./...

tidy:
	$(GO) mod tidy -diff
	$(GO) -C tools/dashboards mod tidy -diff
	$(GO) -C tools/prometheus mod tidy -diff
	$(GO) -C tools/browser mod tidy -diff
	$(GO) -C tools/helm mod tidy -diff
	$(GO) -C tools/compose mod tidy -diff

# Rewrites the expositions that tests compare with, and docs/metrics.md; look at the diff.
golden:
	$(GO) test ./collector -run Golden -update
	$(GO) test . -run TestMetricsDocument -update

# Writes docs/faults.md anew, from what the tests say that they break.
faults:
	$(GO) test -run '^TestFaultsDocument$$' . -args -faults

# Writes dashboards/grafana/*.json anew, from the Go in tools/dashboards, and checks them.
dashboards:
	$(GO) -C tools/dashboards run . ../../dashboards/grafana
	$(GO) -C tools/dashboards test -count=1 ./...

# Checks the rules and what tells Prometheus of hosts, and tests them in its engine, which takes some eight minutes to build, once for a Go build cache.
rules:
	$(GO) tool -modfile=tools/prometheus/go.mod promtool check rules --lint=all --lint-fatal dashboards/rules/*.yaml
	$(GO) tool -modfile=tools/pint/go.mod pint --offline --no-color --log-level error lint --min-severity info --fail-on info dashboards/rules
	$(GO) tool -modfile=tools/prometheus/go.mod promtool test rules dashboards/tests/*.yaml
	$(GO) tool -modfile=tools/prometheus/go.mod promtool check config --syntax-only packaging/prometheus/*.yml packaging/compose/prometheus.yml
	$(GO) -C tools/prometheus test -count=1 -timeout 20m ./...

# What the rules cost: 200 synthetic hosts of 100 workloads in Prometheus' engine, into docs/fleet-cost.md. Some minutes and 4 GiB.
fleet:
	$(GO) -C tools/prometheus test -tags fleet -count=1 -timeout 30m -v -run '^TestFleet$$' ./...

# Each fuzz target for FUZZTIME, FUZZJOBS at a time, or those that FUZZ finds (FUZZ='./libvirt FuzzGuard'); what they find is kept under testdata/fuzz.
fuzz:
	@GO='$(GO)' tools/fuzz $(FUZZTIME) $(FUZZJOBS) '$(FUZZ)'

# A read against its floor in the same run (x_floor), and whole scrapes.
bench:
	$(GO) test -run '^$$' -bench . -benchtime $(BENCHTIME) -timeout 30m . ./cgroupfs ./collector ./workload ./process

# What a scrape takes at so many live WORKLOADS, in instructions and beside the kernel's floor, in a lab that counts them; a table.
bench-lab:
	@GO='$(GO)' e2e/lab/cost $(WORKLOADS)

# 200 cgroups a second made and removed under the binary for CHURN: what was missed, and what is left of them.
churn:
	$(GO) test -count=1 -timeout 60m -v -run '^TestChurn$$' . -args -churn=$(CHURN)

# The same for SOAK, with what is held in each minute of it. Memory, goroutines, descriptors and watches have to be flat at the end.
soak:
	$(GO) test -count=1 -timeout 0 -v -run '^TestChurn$$' . -args -churn=$(SOAK)

# The status page in Debian's chromium, at a desk's and a phone's width. make browser SCREENSHOTS=../../docs keeps what was seen.
browser:
	$(GO) -C tools/browser test -count=1 . -args -screenshots=$(SCREENSHOTS)

# Builds the lab when its inputs changed, boots it, and runs the tests that need a real host.
# Root, and mmdebstrap, e2fsprogs and openssh-client; see e2e/lab/README.md.
e2e:
	$(GO) test -tags e2e -count=1 -timeout 60m -v ./e2e

# LIVES starts and stops of each runtime in the lab, by our numbers and by the runtime's own; prints a table of each.
latency:
	$(GO) test -tags e2e,latency -count=1 -timeout 90m -v -run '^TestLatency' ./e2e -args -lives=$(LIVES)

# The 2014 measurement in the lab, into docs/experiment.md: by our numbers and by a stopwatch's. Some 12 minutes; docs/experiment.md tells how on a host of yours.
experiment:
	for kind in Containers VMs; do \
		WORKLOAD_LAB_EMPTY=1 $(GO) test -tags e2e,experiment -count=1 -timeout 40m -v -run "^TestExperiment$$kind\$$" ./e2e -args $(EXPERIMENT) || exit 1; done

# The lab with workloads, the exporter, and Prometheus with our rules, on ports of 127.0.0.1, until Ctrl-C. Needs what e2e needs.
demo:
	@e2e/lab/demo

# Lints and renders the Helm chart, and holds the manifests to Kubernetes' schemas, and the compose file to Compose's.
chart:
	$(GO) -C tools/helm test -count=1 ./...
	$(GO) -C tools/compose test -count=1 ./...

# deb and rpm of every architecture, in dist/.
packages: $(foreach arch,$(ARCHES),$(DIST)/workload_exporter-linux-$(arch)) $(DIST)/workload_exporter.1.gz
	@rm -f $(DIST)/*.deb $(DIST)/*.rpm
	@set -e; export SOURCE_DATE_EPOCH=$(SOURCE_DATE_EPOCH) PACKAGE_VERSION='$(PACKAGE_VERSION)' DIST='$(DIST)'; \
	for arch in $(ARCHES); do for packager in $(PACKAGERS); do \
		ARCH=$$arch $(NFPM) package -f packaging/nfpm.yaml -p $$packager -t $(DIST)/; \
	done; done

$(DIST)/workload_exporter-linux-%: FORCE
	CGO_ENABLED=0 GOOS=linux GOARCH=$* $(GO) build -trimpath -ldflags "$(LDFLAGS)" -o $@ .

# kingpin prints the page; its title line would have the whole build information.
$(DIST)/workload_exporter.1.gz: build
	@mkdir -p $(DIST)
	{ echo '.TH workload_exporter 1 "" "$(PACKAGE_VERSION)"'; ./workload_exporter --help-man | sed '1,/^\.SH/{/^\.SH/!d}'; } | gzip -9n >$@

# For this machine's architecture, with its Docker.
image: $(DIST)/workload_exporter-linux-$(HOST_ARCH)
	docker build -f packaging/container/Dockerfile --build-arg TARGETARCH=$(HOST_ARCH) \
		--build-arg VERSION='$(VERSION)' --build-arg REVISION='$(REVISION)' -t '$(IMAGE)' .

# Everything that a release has: binaries, packages, bills of material, checksums.
release: packages
	@set -e; for arch in $(ARCHES); do \
		$(GO) tool -modfile=tools/cyclonedx/go.mod cyclonedx-gomod bin -json -noserial -version '$(PACKAGE_VERSION)' \
			-output $(DIST)/workload_exporter-linux-$$arch.cdx.json $(DIST)/workload_exporter-linux-$$arch; \
		sed -i 's/"timestamp": "[^"]*"/"timestamp": "'$$(date -u -d @$(SOURCE_DATE_EPOCH) +%FT%TZ)'"/' $(DIST)/workload_exporter-linux-$$arch.cdx.json; \
	done
	cd $(DIST) && rm -f sha256sums.txt && sha256sum * >sha256sums.txt

# Asks vuln.go.dev.
vulncheck:
	$(GO) tool -modfile=tools/govulncheck/go.mod govulncheck ./...

check: tidy lint test fuzz rules chart browser e2e

FORCE:

clean:
	rm -rf workload_exporter dist
