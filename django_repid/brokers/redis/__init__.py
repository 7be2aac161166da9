"""Brokers that hold everything in Redis, reached by a URL or through django-redis."""

from django_repid.brokers.redis.bells import RedisBell
from django_repid.brokers.redis.bucket_broker import RedisBucketBroker
from django_repid.brokers.redis.message_broker import RedisMessageBroker

__all__ = ["RedisBell", "RedisBucketBroker", "RedisMessageBroker"]
