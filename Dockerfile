# Both programs in one small image; the command says which one runs. Built with BuildKit:
#
#   docker build -t serverless-proxy .
#   docker run --rm serverless-proxy serverless-proxy --help
#
# What the programs depend on is built in a layer of its own, which is made anew only when
# a manifest or Cargo.lock changes.

FROM rust:1.95-bookworm AS base
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends cmake \
    && rm -rf /var/lib/apt/lists/*
RUN cargo install cargo-chef --version 0.1.78 --locked
WORKDIR /src

FROM base AS plan
COPY . .
RUN cargo chef prepare --recipe-path recipe.json

FROM base AS build
COPY --from=plan /src/recipe.json recipe.json
COPY .cargo .cargo
RUN cargo chef cook --release --locked --package proxy --package admin --recipe-path recipe.json
COPY . .
RUN cargo build --release --locked --package proxy --package admin --bins \
    && install -D --strip --target-directory=/out \
        target/release/serverless-proxy target/release/serverless-proxy-admin

FROM debian:bookworm-slim
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin gateway \
    && install -d -o gateway -g gateway -m 0750 /data
COPY --from=build /out/ /usr/local/bin/
COPY conf/docker/healthcheck /usr/local/bin/healthcheck
USER 10001:10001
# A container is reached through its published ports: publish them where only
# the right callers are.
ENV API_BIND=0.0.0.0 ADMIN_BIND=0.0.0.0 DATABASE_PATH=/data/proxy.db
WORKDIR /data
VOLUME /data
EXPOSE 8002 5001
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD ["healthcheck", "gateway"]
CMD ["serverless-proxy"]
