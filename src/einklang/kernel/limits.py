"""Limits on everything. Units stand last in the names."""

EVENT_BYTES_MAX = 32 * 1024
BATCH_BYTES_MAX = 500 * 1024
#: What a gzipped body may unpack to.
BODY_BYTES_MAX = 512 * 1024
BATCH_ITEMS_MAX = 5_000
NAME_CHARS_MAX = 200
IDENTIFIER_CHARS_MAX = 500
JSON_DEPTH_MAX = 32
EXPRESSION_CHARS_MAX = 4_000
EXPRESSION_DEPTH_MAX = 32
EXPRESSION_NODES_MAX = 500
LIST_ITEMS_MAX = 1_000
STEPS_PER_MOMENT_MAX = 100
DEFINITION_BYTES_MAX = 1024 * 1024
TEMPLATE_OUTPUT_BYTES_MAX = 256 * 1024
LANES = 64
#: Members of a group of whom conditions can ask what they did together.
GROUP_MEMBERS_MAX = 1_000
#: identifiers of one kind that one person may have
IDENTIFIERS_PER_KIND_MAX = {"userId": 1, "email": 10, "phone": 10, "anonymousId": 100}
