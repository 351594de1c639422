"""A login is that of one key that is not revoked."""

import logging
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"

logger = logging.getLogger("sales_forecast.storage.migrations")

NOT_REVOKED = sa.text("revoked_at IS NULL")


def upgrade() -> None:
    op.drop_index("ix_api_keys_login", "api_keys")
    _leave_one_key_per_login(op.get_bind())
    op.create_index(
        "ix_api_keys_login_not_revoked",
        "api_keys",
        ["login"],
        unique=True,
        sqlite_where=NOT_REVOKED,
        postgresql_where=NOT_REVOKED,
    )


def _leave_one_key_per_login(connection: sa.Connection) -> None:
    """Let expired keys count as revoked since then, and leave a login to the newest of several valid keys.

    The others stay valid as keys. Until now nobody could say which of them a login stood for.
    """
    names = ("created_at", "expires_at", "revoked_at")
    moments = [sa.column(name, sa.DateTime(timezone=True)) for name in names]
    keys = sa.table("api_keys", sa.column("id"), sa.column("login"), *moments)
    open_keys = (keys.c.login.is_not(None), keys.c.revoked_at.is_(None))
    expired = (*open_keys, keys.c.expires_at <= datetime.now(UTC))
    connection.execute(sa.update(keys).where(*expired).values(revoked_at=keys.c.expires_at))
    newest_first = sa.select(keys.c.id, keys.c.login).where(*open_keys)
    kept: dict[str, str] = {}
    for key_id, login in connection.execute(
        newest_first.order_by(keys.c.created_at.desc(), keys.c.id.desc())
    ).all():
        if kept.setdefault(login, key_id) != key_id:
            connection.execute(sa.update(keys).where(keys.c.id == key_id).values(login=None))
            logger.warning(
                "The login '%s' is no longer that of key %s, but of %s", login, key_id, kept[login]
            )


def downgrade() -> None:
    op.drop_index("ix_api_keys_login_not_revoked", "api_keys")
    op.create_index("ix_api_keys_login", "api_keys", ["login"])
