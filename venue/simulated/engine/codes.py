"""Every error code that Nado documents, with the words it sends and how the simulated venue comes to send it.

`rule` = the venue's own rules say it, `incident` = an incident of the whole venue brings it about; a test
provokes each of them. Every other code can be staged with the `refuse` fault; `why` says what is missing for
a rule. Numbers and names: the exchange's error page; 2118 and 2122 are known from other bots only. The others
between 2116 and 2125 have no published names.
"""

from typing import Literal, NamedTuple

Origin = Literal["rule", "incident", "staged"]


class Code(NamedTuple):
    """One error code. `text` may have fields in braces, filled by whoever refuses."""

    name: str
    text: str
    origin: Origin = "rule"
    why: str = ""


_SPOT = "spot products are not simulated"
_TRIGGER = "trigger and TWAP orders live in a service of their own"
_NLP = "the liquidity pool's tokens are not simulated"
_CHAIN = "there is no chain behind the simulated venue"
_SCREENING = "nobody screens addresses here"
_OLD = "the sources name no request that still answers it"


def _staged(name: str, text: str, why: str) -> Code:
    return Code(name, text, "staged", why)


CODES: dict[int, Code] = {
    1000: Code("RateLimit", "Too Many Requests: You have exceeded the rate limit. Please reduce your request frequency and try again later."),
    1001: _staged("BlacklistedAddress", "This address has been blacklisted from accessing the sequencer.", _SCREENING),
    1002: Code("BlockedLocation", "Access from your current location is blocked. Please check your location and try again.", "incident"),
    1003: _staged("BlockedSubdivision", "Access from your current location is blocked.", "locations are not divided here"),
    1004: Code("Maintenance", "Service is temporarily unavailable due to scheduled maintenance. Please try again later.", "incident"),
    1015: Code("RateLimit", "Too Many Requests: You have exceeded the rate limit. Please reduce your request frequency and try again later."),
    2000: Code(
        "InvalidPriceIncrement",
        "Invalid order price: Order price, {price}, is not divisible by the price_increment_x18; "
        "price_increment_x18 for product {product_id}: {tick}.",
    ),
    2001: Code(
        "InvalidAmountIncrement",
        "Invalid order amount: Order amount, {amount}, must be divisible by the size_increment; size_increment for product {product_id}: {step}.",
    ),
    2002: Code("ZeroAmount", "Invalid order amount: The provided amount is zero. Please specify a valid order amount."),
    2003: _staged("OrderAmountTooSmall", "Invalid order amount: the amount is too small.", "replaced by 2094 when min_size became a notional"),
    2004: Code("OrderExpired", "Invalid order expiration: The order has already expired. Please ensure the expiration date is in the future."),
    2005: Code("MaxOrdersLimitReached", "You have reached the maximum number of open orders allowed for this market."),
    2006: Code(
        "UnhealthyOrder",
        "Insufficient account health. The execution of this order would lower your account health below the required threshold. "
        "Please adjust your order size or manage your positions to maintain a healthy account balance.",
    ),
    2007: Code("OraclePriceDifference", "Order price must be no less than 20% and no more than 500% of the determined oracle price."),
    2008: Code(
        "PostOnlyOrderCrossesBook", "The order cannot be placed as it is post-only and crosses the book. Please adjust your order parameters."
    ),
    2009: Code("OrderTypeNotSupported", "The order type you are trying to use is not currently supported."),
    2010: Code(
        "InvalidTaker",
        "Invalid taker: The order placement health checks were successfully passed; however, the health checks failed upon matching.",
    ),
    2011: Code(
        "LateRecvExecution",
        "Execute request received after 'recv_time'. Ensure that your 'recv_time' allows adequate time for requests to be received.",
    ),
    2012: Code(
        "EarlyRecvExecution",
        "Execute request received more than 100 seconds before the 'recv_time'. "
        "Ensure that the request is sent no more than 100 seconds prior to the 'recv_time'.",
    ),
    2013: Code("DigestAlreadyExists", "The provided digest already exists. Ensure that the provided digest is unique."),
    2014: Code(
        "UnauthorizedSubaccountCancellation",
        "Operation failed. You're attempting to cancel an order for a different subaccount. Please verify the subaccount.",
    ),
    2015: Code("MarketNotFound", "The market for the given product or ticker ID was not found."),
    2016: Code("InvalidProductId", "The provided 'product_id' is invalid. Please verify and input a valid 'product_id'."),
    2017: Code(
        "SpotExecuteExceedsBorrowLimit",
        "Executing this action could result in exceeding your borrowing limit as your spot leverage is currently set to false.",
    ),
    2019: Code(
        "InappropriateSpotLeverage",
        "Spot leverage cannot be applied to a non-spot product. Please ensure you're using the correct type of leverage for the product in question.",
    ),
    2020: Code("OrderNotFound", "Order with the provided digest ({digest}) could not be found. Please verify the order digest and try again."),
    2021: _staged("AddressRiskTooHigh", "The risk associated with the provided address is too high.", _SCREENING),
    2022: Code("InvalidNonce", "The provided nonce is invalid. Ensure the nonce is correct and try again."),
    2023: _staged("AddressScreeningPending", "Risk screening check for the provided address is still in progress.", _SCREENING),
    2024: Code("NoPriorDeposit", "The provided address has no previous deposits. Ensure you're using an address with prior deposits."),
    2025: Code(
        "SingleSignatureInsufficientAccountValue",
        "Your account must hold a minimum value of 5 USDT0 to enable single signature sessions.",
    ),
    2026: Code("DuplicateSignerLinking", "You cannot link a signer to the same address more than once."),
    2027: Code("SignatureLength", "The provided signature does not meet the required length specifications."),
    2028: Code(
        "InvalidSigner", "The provided signature does not match with the sender's or the linked signer's."
    ),
    2029: _staged("InvalidSignerZero", "Signer cannot be zero.", "linking the zero address revokes, as the contracts do"),
    2030: Code("LinkedSignerUpdateLimitExceeded", "Linked Signer update limit exceeded. Please wait for {wait} seconds before trying again."),
    2031: Code("FillOrKillNotFilled", "Your 'Fill or Kill' order could not be entirely filled."),
    2033: Code("NonceMissingInPayload", "No nonce provided in the request payload. Please ensure a valid nonce is included."),
    2034: Code("InvalidSignatureV", "Invalid Signature: The 'v' value of the signature you provided is not valid."),
    2035: Code("SignatureError", "Signature error: {error}"),
    2036: Code("SubaccountHealthTooLow", "Subaccount health insufficient. Please ensure sufficient health level in your subaccount to proceed."),
    2037: _staged("ExcessiveLPTokenBurn", "Attempt to burn more LP tokens than currently owned.", _NLP),
    2038: Code("InvalidExecuteMessage", "The execute message provided is invalid. Please verify and provide a valid execute message."),
    2039: Code(
        "MismatchedDigestsAndProductIdsLength",
        "'digests' and 'productIds' arrays should have the same length. Please ensure their lengths match.",
    ),
    2040: Code("InvalidBool", "The value you entered is not a valid boolean. Please try again with a value of true or false."),
    2041: _staged("RebateExecuteFormatting", "The length of 'subaccounts' array does not match 'amounts'.", "an operator's request"),
    2042: Code("NotLiquidatable", "Failed to initiate liquidation: The account does not meet the requirements for liquidation."),
    2043: Code("LiquidatorHealthTooLow", "Failed to initiate liquidation: The liquidator's account health is too low."),
    2044: Code("PositiveInitialHealthLiquidationAttempt", "Failed to initiate liquidation: The account has positive initial health."),
    2045: Code(
        "InvalidLiquidationParameters",
        "Failed to initiate liquidation: Attempted to liquidate quote or provided invalid liquidation parameters.",
    ),
    2046: Code(
        "PerpLiquidationSizeIncrementMismatch",
        "Failed to initiate liquidation: Attempted to liquidate perpetual contract but the amount is not divisible by sizeIncrement.",
    ),
    2047: Code(
        "InvalidLiquidationAmount", "Failed to initiate liquidation: Attempted to liquidate either too little, too much or the signs are different."
    ),
    2048: _staged("LiabilitiesBeforePerpsLiquidationAttempt", "Failed to initiate liquidation: liabilities before perpetual contracts.", _SPOT),
    2049: _staged("TransferFailed", "ERC20 Transfer failed. Please verify the transaction details.", _CHAIN),
    2050: Code("UnauthorizedAction", "Unauthorized action attempted. Please ensure you have the necessary permissions."),
    2051: _staged("NotFinalizableSubaccount", "The subaccount is not eligible for finalization.", "the venue finalises by itself"),
    2052: _staged("InvalidMaker", "The maker order subaccount is invalid.", "a resting order's health is not asked again"),
    2053: _staged("OrdersCannotBeMatched", "Orders failed to match due to an internal error. Please try again.", "the engine has no such failure"),
    2054: _staged("SlippageTooHigh", "The requested operation could not be completed due to excessive slippage.", _TRIGGER),
    2055: Code("InvalidPrice", "Invalid price provided. The price must be greater than 0. Please input a valid price."),
    2056: Code(
        "ImmediateOrCancelDoesNotCross",
        "Your 'Immediate or Cancel' order does not cross the book. Please review the market conditions or adjust your order.",
    ),
    2057: _staged("MaxTriggerOrdersLimitReached", "You have reached the maximum number of trigger orders allowed for this subaccount.", _TRIGGER),
    2058: _staged("TriggerOrderNotFound", "Trigger order with the provided digest could not be found.", _TRIGGER),
    2059: _staged("NotTriggerOrder", "Submitted order is not a trigger order.", _TRIGGER),
    2060: Code("InvalidProductIds", "The provided 'product_ids' is invalid. Please verify input contains only valid products and no duplicates."),
    2061: Code("InvalidProductType", "Invalid product type {product_type}. 'product_type' must be 'spot' or 'perp'"),
    2062: Code(
        "MissingProductIds", "The 'product_ids' provided is empty. Please ensure you include a non-empty list of valid product_ids in your request."
    ),
    2063: _staged("InvalidQueryResponse", "Invalid query response.", "the engine has no such failure"),
    2064: Code("ReduceOnlyIncreasesPosition", "Reduce only order increases position."),
    2065: _staged("InvalidExpirationBits", "Invalid expiration bits: The 4th to 6th most significant bits are reserved and must be unset.", _OLD),
    2066: Code("CancelAndPlaceDifferentSenderOrSigner", "Sender or signer of cancel and place are not the same."),
    2067: Code("ReduceOnlyNotTaker", "Only taker orders can be set as reduce only."),
    2068: Code("SystemUnderMaintenance", "We're currently performing maintenance on the system. Please try again later.", "incident"),
    2069: Code("MarketTradingBlocked", "Trading is blocked for this market."),
    2070: Code("MarketMaxOpenInterest", "Market has reached maximum open interest. Please only close positions at this time."),
    2071: _staged("MaxUtilization", "Product at maximum utilization", _SPOT),
    2072: _staged("OrderBatchExceedLimit", "The number of specified 'orders' exceeds the limit.", "a batch over 50 is answered 2111"),
    2073: Code("SelfMatchNotAllowed", "Self-match is not allowed."),
    2074: _staged("MismatchedProductIds", "Product IDs do not match.", _OLD),
    2075: _staged("NonDefaultPrivateBatchOrder", "Private batch order types must all be default.", "an operator's request"),
    2076: _staged("InvalidTriggerPrivateBatchOrder", "Private batch order cannot be trigger order.", "an operator's request"),
    2077: Code("TransferQuoteAmountTooSmall", "Transfer quote amount is too small. You must transfer a minimum of 5 USDT0."),
    2078: _staged("TransferQuoteNewRecipientLimitExceeded", "Transfers to new recipients: limit exceeded.", "the limit's number is not documented"),
    2079: Code("SelfTransferQuoteNotAllowed", "Self-transfer quote is not allowed."),
    2080: _staged(
        "WebsocketCompressionRequired",
        "Subscriptions require the header 'Sec-WebSocket-Extensions' with value 'permessage-deflate'.",
        "the upgrade is refused with HTTP 403 and a body without a code, as it was observed",
    ),
    2081: Code("IsolatedSubaccountCannotPlaceIsolatedOrder", "An isolated subaccount cannot place an isolated order."),
    2082: Code("IsolatedSubaccountInvalidProduct", "Invalid product_id for isolated subaccount."),
    2083: _staged("InvalidIsolatedSpotOrder", "Isolated orders cannot be placed on spots.", _SPOT),
    2084: Code("InvalidIsolatedTriggerOrder", "Isolated orders cannot be trigger orders."),
    2085: Code("InvalidIsolatedReduceOnlyOrder", "Isolated orders cannot be reduce-only."),
    2086: _staged("InvalidIsolatedMargin", "Isolated margin must be non-negative.", "the appendix of version 1 has no room for a negative margin"),
    2087: Code("FailedToCreateIsolatedSubaccount", "Failed to create isolated subaccount."),
    2088: Code("InvalidOrderFromIsolatedSubaccount", "Orders from isolated subaccount must be reduce-only."),
    2089: Code("InvalidLinkSignerSender", "Cannot link signer to isolated subaccount."),
    2090: _staged("MintNlpAmountTooSmall", "Nlp minting amount is too small. You must mint a minimum of 1 USDT0.", _NLP),
    2091: Code("AmountTooLarge", "Amount is too large."),
    2092: _staged("NAccountHealthTooLow", "N_ACCOUNT health insufficient.", _NLP),
    2093: _staged("NotCanonicalChain", "Can not execute in non-canonical chains.", _CHAIN),
    2094: Code(
        "OrderSizeTooSmall",
        "Invalid order size: Order amount, {amount}, or price, {price}, is too small. abs(amount) * price must be >= min_size; "
        "min_size for product {product_id}: {min_size}.",
    ),
    2095: Code(
        "InvalidOrderVersion",
        "Invalid Order Version: the order version in the appendix, {version}, does not match the expected version: 1",
    ),
    2096: _staged("UnlockedNlpInsufficient", "Do not have enough unlocked NLP.", _NLP),
    **{number: _staged(name, name, _TRIGGER) for number, name in enumerate(
        (
            "InvalidTriggerOrder", "InvalidTwap", "InvalidTwapOrderType", "InvalidTwapTimes", "InvalidTwapAmountDistribution",
            "InvalidTwapExpiration", "InvalidTwapInterval", "InvalidTwapTotalDuration", "InvalidTwapExpirationTiming",
            "InvalidTwapRandomConfiguration", "InvalidTwapAmount", "InvalidTwapAmountsSum", "InvalidTwapTriggerAmountConfiguration",
            "InvalidTwapIsolated",
        ),
        start=2097,
    )},
    2111: Code("MaxOrderLimitExceeded", "Cannot place more than 50 orders."),
    2112: _staged("NlpPoolAccountsCannotPlaceIsolatedOrder", "NLP pool accounts cannot place isolated order.", _NLP),
    2113: _staged("NlpPoolAccountsCannotPlaceTriggerOrder", "NLP pool accounts cannot place trigger order.", _NLP),
    2114: Code("BatchSenderMismatch", "All orders in a batch must have the same sender. Please ensure all orders are from the same account."),
    2115: _staged("LiquidationFrontrunByNlp", "Liquidation succeeded but was executed by the NLP account instead of the requested liquidator.", _NLP),
    2118: Code("InvalidBuilder", "Invalid builder."),
    2122: Code("MarketIsolatedOnlyMode", "This market is isolated-only."),
    3000: Code("DigestsNotAllowed", "Unable to accept 'digests' in conjunction with 'subaccount' or 'product_ids'."),
    3001: Code("DigestsExceedLimit", "The number of specified 'digests' exceeds the specified limit."),
    3002: Code("MissingSubaccount", "A 'subaccount' is required but not specified. Please ensure you include a 'subaccount' in your request."),
    3003: Code("InvalidInterval", "Invalid interval: Please try again with a different 'max_timestamp', 'granularity', or 'count'."),
    3004: _staged("InvalidWithdrawalIdx", "Invalid idx: withdrawal tx not found.", _CHAIN),
    3005: _staged("NotEnoughFastWithdrawLiquidity", "Not enough liquidity for a fast withdrawal.", _CHAIN),
    4000: _staged("PerpTickFormatting", "Perp tick formatting.", "an operator's request"),
    4001: Code("NotImplemented", "Not implemented: {what}"),
    4002: _staged("TemporarilyDisabledMintLp", "Minting is temporarily disabled.", _NLP),
    4003: _staged("EvmRevert", "The transaction was reverted.", _CHAIN),
    4004: _staged("WithdrawRisk", "The withdrawal is under review.", _SCREENING),
    5000: _staged("InternalError", "Internal error.", "the engine has no such failure"),
}  # fmt: skip


class ExchangeRefusal(Exception):
    """The exchange says no to a request: the code and text that the wire will carry."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text


def require(holds: object, code: int, **fields: object) -> None:
    """Raise the refusal `code`, with `fields` in its text, unless the condition holds: as the settlement
    contracts write their rules.
    """
    if not holds:
        raise refused(code, **fields)


def refused(code: int, **fields: object) -> ExchangeRefusal:
    """The refusal with its documented text, `fields` filled in."""
    return ExchangeRefusal(code, CODES[code].text.format(**fields))
