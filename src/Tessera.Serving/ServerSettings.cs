using System.Net;

namespace Tessera.Serving;

/// <summary>Where a server listens and what it takes.</summary>
public sealed record ServerSettings
{
    /// <summary>Address to listen on: an IP address or <c>localhost</c>.</summary>
    public string Host { get; init; } = "127.0.0.1";

    /// <summary>Port; 0 for a free one.</summary>
    public int Port { get; init; } = 8080;

    /// <summary>What clients have to show; null for nothing.</summary>
    public string? ApiKey { get; init; }

    /// <summary>Largest body of a request in bytes.</summary>
    public long MostBodyBytes { get; init; } = 4 << 20;

    /// <summary>How long running requests may go on when the server stops.</summary>
    public TimeSpan StopGrace { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>Whether only this machine can reach the server.</summary>
    public bool IsLoopback => IPAddress.IsLoopback(Address);

    /// <summary>A sentence for whoever starts a server that strangers can use; null where none is needed.</summary>
    public string? Warning => IsLoopback || ApiKey is not null
        ? null
        : $"warning: everybody who can reach {Host}:{Port} can use this model; set an API key with --api-key or TESSERA_API_KEY";

    /// <summary>The address.</summary>
    /// <exception cref="ArgumentException">It is neither an IP address nor localhost.</exception>
    internal IPAddress Address => Host == "localhost" ? IPAddress.Loopback
        : IPAddress.TryParse(Host, out var address) ? address
        : throw new ArgumentException($"host '{Host}': expected an IP address or localhost");
}
