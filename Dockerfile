# Both programs in one small image; the command says which one runs.
#
#   docker build -t serverless-proxy .
#   docker run --rm serverless-proxy serverless-proxy --help

FROM rust:1.95-bookworm AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends cmake \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN cargo build --release --locked --package proxy --package admin --bins \
    && install -D --strip --target-directory=/out \
        target/release/serverless-proxy target/release/serverless-proxy-admin

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin proxy \
    && install -d -o proxy -g proxy -m 0750 /data
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
