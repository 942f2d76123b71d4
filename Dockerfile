# The worker, the notifier, the screen and the commands, in one image. What installs stays in the first stage.
ARG PYTHON_IMAGE=python:3.13-slim-trixie
FROM ${PYTHON_IMAGE} AS build
WORKDIR /build
COPY requirements.lock .
# Wheels only and hashes checked: no compiler, and nothing that the lock does not name.
RUN python -m venv --without-pip /opt/venv \
    && python -m pip --python /opt/venv/bin/python install --no-cache-dir --disable-pip-version-check \
        --no-compile --require-hashes --only-binary=:all: --requirement requirements.lock
COPY common /app/common
COPY schemas /app/schemas
COPY producers /app/producers
COPY worker /app/worker
# Compiled without a date, readable whatever the umask of the checkout, every file of the day of the release: the same commit gives the
# same layers.
ARG SOURCE_DATE_EPOCH=0
RUN python -m compileall -q --invalidation-mode unchecked-hash /app /opt/venv \
    && chmod -R a=rX,u+w /app /opt/venv \
    && find /app /opt/venv -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +

FROM ${PYTHON_IMAGE}
ARG PYTHON_IMAGE
ARG VERSION=0
ARG REVISION=unknown
ARG SOURCE_DATE_EPOCH=0
LABEL org.opencontainers.image.title="Module Préfecture" \
      org.opencontainers.image.description="Voter lists and revision tables, made as files by workers behind a queue" \
      org.opencontainers.image.base.name="${PYTHON_IMAGE}" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# The group is for whoever may read the files (a screen, a backup), and for another user than 10001 to run as.
RUN groupadd --gid 10001 prefecture \
    && useradd --no-log-init --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin prefecture \
    && install --directory --owner 10001 --group 10001 --mode 2770 \
        /var/lib/prefecture /var/lib/prefecture/arrivals /var/lib/prefecture/exports /var/lib/prefecture/mails /var/lib/prefecture/spool \
    && mkdir /opt/venv \
    && touch --date="@$SOURCE_DATE_EPOCH" /etc /etc/.pwd.lock /etc/group* /etc/gshadow* /etc/passwd* /etc/shadow* /etc/subgid* \
        /etc/subuid* /opt /opt/venv /var/lib /var/lib/prefecture /var/lib/prefecture/*
COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app
# In a container nobody is alone: the screen is closed until a proxy or a provider is named.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PREFECTURE_HOME=/var/lib/prefecture \
    PREFECTURE_EXPORTS_DIR=/var/lib/prefecture/exports \
    PREFECTURE_WEB_AUTH=proxy
WORKDIR /app
USER 10001:10001
# The umask is the program's own (common/files.py): files 0640, directories 2750.
CMD ["python", "-m", "worker.main", "--processes", "1", "--threads", "1"]
HEALTHCHECK --interval=30s --timeout=20s --start-period=60s --retries=3 \
    CMD ["bash", "common/healthy.sh", "worker"]
