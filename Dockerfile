# The image of stategate: the program, the libraries that it needs, and one volume for its database.
#
# It runs as user 65532 on a read-only root file system. Build it in Docker's own format (with buildah:
# --format docker), or HEALTHCHECK is lost.
FROM debian:trixie-slim AS build
WORKDIR /src
# Alone, so that a change of the source does not set up everything again.
COPY scripts/setup scripts/setup
RUN scripts/setup image
COPY CMakeLists.txt CMakePresets.json openapi.yaml ./
COPY cmake cmake
COPY core core
COPY store store
COPY projector projector
COPY api api
COPY server server
COPY feed feed
RUN cmake --preset release -D STATEGATE_BENCH=OFF \
 && cmake --build --preset release \
 && cmake --install build/release --prefix /out/usr/local --strip

FROM debian:trixie-slim
RUN --mount=type=bind,from=build,source=/src/.deps/debs,target=/debs \
    apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        /debs/*.deb ca-certificates libgnutls30t64 libsqlite3-0 libyaml-0-2 libyyjson0 libzstd1 zlib1g \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/apt /var/log/dpkg.log /var/log/alternatives.log \
 && install -d -o 65532 -g 65532 -m 750 /data
COPY --from=build /out/ /
# SQLITE_TMPDIR: with a read-only root there is no other place for SQLite's own temporary files.
ENV STATEGATE_LISTEN=0.0.0.0:8080 \
    STATEGATE_DATABASE=/data/stategate.db \
    SQLITE_TMPDIR=/data
USER 65532:65532
WORKDIR /data
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 CMD ["stategate", "ready"]
ENTRYPOINT ["stategate"]
