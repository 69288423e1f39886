using System.Net;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;
using Tessera.Serving.Protocol;

namespace Tessera.Serving;

/// <summary>Who may ask: checks the host that a request names and its API key.</summary>
/// <param name="settings">The server's settings.</param>
internal sealed class AccessRules(ServerSettings settings)
{
    private const string Scheme = "Bearer ";
    private readonly byte[]? _keyHash = settings.ApiKey is { } key ? Hash(key) : null;

    /// <summary>Ends a request that may not be answered.</summary>
    /// <exception cref="ApiException">403 for a foreign host name, 401 for a missing or wrong key.</exception>
    public void Check(HttpRequest request)
    {
        // A page of another site may have its own name point to this machine; the browser then counts it as ours.
        if (settings.IsLoopback && !IsLocal(request.Host.Host))
        {
            throw new ApiException(
                StatusCodes.Status403Forbidden, "the request names another host, and this server answers only its own machine",
                "Host", "host_not_allowed");
        }

        // Health is for supervisors; the page holds nothing secret and asks for the key itself.
        if (_keyHash is not null && request.Path.StartsWithSegments("/v1", StringComparison.OrdinalIgnoreCase) && !HasKey(request))
        {
            throw new ApiException(
                StatusCodes.Status401Unauthorized, "the API key is missing or wrong", "Authorization", "invalid_api_key");
        }
    }

    private static bool IsLocal(string host) =>
        host.Equals("localhost", StringComparison.OrdinalIgnoreCase)
        || (IPAddress.TryParse(host.Trim('[', ']'), out var address) && IPAddress.IsLoopback(address));

    /// <summary>Hashes have one length, so the time of the comparison says nothing about the key.</summary>
    private bool HasKey(HttpRequest request)
    {
        string header = request.Headers.Authorization.ToString();
        return header.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase)
            && CryptographicOperations.FixedTimeEquals(Hash(header[Scheme.Length..].Trim()), _keyHash);
    }

    private static byte[] Hash(string key) => SHA256.HashData(Encoding.UTF8.GetBytes(key));
}
