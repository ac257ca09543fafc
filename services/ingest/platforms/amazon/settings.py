"""What the Amazon connector must be told: the app's credentials and, where there is one, the queue of notifications."""

from pydantic import Field, SecretStr, field_validator

from services.kit.settings import KitSettings


class AmazonSettings(KitSettings):
    """The app's settings."""

    amazon_application_id: str = Field(
        default="", description="The Amazon app's id (amzn1.sp.solution…), which the consent page is opened for."
    )
    amazon_client_id: str = Field(default="", description="The Amazon app's LWA client id.")
    amazon_client_secret: SecretStr = Field(
        default=SecretStr(""), description="The Amazon app's LWA client secret; Amazon has it rotated every 180 days."
    )
    amazon_app_draft: bool = Field(
        default=False, description="Whether the Amazon app is still a draft: its consent page is then another one."
    )
    amazon_sqs_queue_url: str = Field(
        default="",
        description="The standard SQS queue that Amazon's ORDER_CHANGE notifications go to; empty: orders are polled.",
    )
    amazon_sqs_endpoint: str = Field(default="", description="Another address for SQS; empty: the region's own.")
    amazon_sqs_region: str = Field(default="us-east-1", description="The AWS region of the queue.")
    amazon_aws_access_key_id: SecretStr = Field(
        default=SecretStr(""), description="The AWS key that may read the queue; empty: what the machine itself has."
    )
    amazon_aws_secret_access_key: SecretStr = Field(default=SecretStr(""), description="The secret of that AWS key.")
    platform_url_amazon: str = Field(
        default="", description="Another base URL for Amazon (a sandbox, a proxy); empty: Amazon's own."
    )

    @field_validator("amazon_sqs_queue_url")
    @classmethod
    def _standard_queue(cls, url: str) -> str:
        if url.endswith(".fifo"):
            raise ValueError("Amazon sends notifications to standard queues only, not to FIFO ones")
        return url
