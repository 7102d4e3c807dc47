"""Kubernetes quantities as exact numbers, to compare sizes and to share memory."""

import re
from decimal import Decimal
from typing import Final

from region_operator.errors import InvalidInput

_PATTERN: Final = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,9})?)(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?")
_FACTORS: Final = {
    "": Decimal(1),
    "m": Decimal("0.001"),
    **{unit: Decimal(1000) ** power for power, unit in enumerate("kMGTPE", start=1)},
    **{f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTPE", start=1)},
}


def quantity(text: str) -> Decimal:
    """The number that ``text`` stands for: ``quantity("1Ki") == 1024``.

    Raises:
        InvalidInput: it is no quantity.
    """
    if not (match := _PATTERN.fullmatch(text)):
        raise InvalidInput(
            field="quantity", problem=f"{text[:40]!r} is no quantity", remedy="write it like 20Gi or 500m"
        )
    return Decimal(match[1]) * _FACTORS[match[2] or ""]
