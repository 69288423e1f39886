using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using Tessera.Models.Safetensors;

namespace Tessera.Models.Hub;

/// <summary>
/// The requests that a download makes. Redirects are followed by hand, so that the token goes to the hub's own address alone; failures
/// that may pass are repeated after a pause that grows, others become one sentence.
/// </summary>
internal sealed class HubClient : IDisposable
{
    private const int MostRedirects = 8;
    private const int MostListBytes = 64 << 20;

    private readonly HubSettings _settings;
    private readonly HttpClient _http = new(new SocketsHttpHandler
    {
        AllowAutoRedirect = false,
        UseCookies = false,
        AutomaticDecompression = DecompressionMethods.None,
        ConnectTimeout = TimeSpan.FromSeconds(15),
    })
    { Timeout = Timeout.InfiniteTimeSpan };

    public HubClient(HubSettings settings)
    {
        _settings = settings;
        _http.DefaultRequestHeaders.UserAgent.Add(new ProductInfoHeaderValue("tessera", "0.1"));
        _http.DefaultRequestHeaders.AcceptEncoding.Add(new StringWithQualityHeaderValue("identity"));
    }

    /// <summary>The commit of a revision and the names of its files.</summary>
    public Task<(string Commit, IReadOnlyList<string> Files)> ListAsync(HubReference model, CancellationToken cancellation) =>
        RepeatAsync($"{model}", async token =>
        {
            var address = new Uri(_settings.Endpoint, $"{Base}api/models/{model.Id}/revision/{Uri.EscapeDataString(model.Revision)}");
            using HttpResponseMessage response = await SendAsync(HttpMethod.Get, address, null, token).ConfigureAwait(false);
            Require(response, model, null);
            byte[] body = await ReadListAsync(response, token).ConfigureAwait(false);
            return ParseList(body, model);
        }, cancellation);

    /// <summary>Size and hash of a file.</summary>
    public Task<HubFile> DescribeAsync(HubReference model, string commit, string file, CancellationToken cancellation) =>
        RepeatAsync($"{model}: {file}", async token =>
        {
            Uri address = AddressOf(model, commit, file);
            for (int step = 0; step < MostRedirects; step++)
            {
                using HttpResponseMessage response = await SendOnceAsync(HttpMethod.Head, address, null, token).ConfigureAwait(false);
                string? tag = Header(response, "X-Linked-Etag") ?? Header(response, "ETag");
                if (IsRedirect(response) && tag is null)
                {
                    address = Next(address, response, $"{model}: {file}");
                    continue;
                }

                if (!IsRedirect(response))
                {
                    Require(response, model, file);
                }

                string? size = Header(response, "X-Linked-Size") ?? response.Content.Headers.ContentLength?.ToString(CultureInfo.InvariantCulture);
                string hash = (tag ?? "").Replace("W/", "", StringComparison.Ordinal).Trim('"');
                return long.TryParse(size, NumberStyles.None, CultureInfo.InvariantCulture, out long bytes) && SafetensorsIndex.IsSafe(hash) && !hash.Contains('/', StringComparison.Ordinal)
                    ? new HubFile(file, bytes, hash)
                    : throw new InvalidDataException($"{model}: {file}: the hub tells neither size nor hash of the file");
            }

            throw new IOException($"{model}: {file}: the hub redirects more than {MostRedirects} times");
        }, cancellation);

    /// <summary>A file's content from a byte on; the caller disposes of the answer and looks at its status.</summary>
    public Task<HttpResponseMessage> OpenAsync(HubReference model, string commit, string file, long start, CancellationToken cancellation) =>
        SendAsync(HttpMethod.Get, AddressOf(model, commit, file), start > 0 ? start : null, cancellation);

    /// <summary>Throws what an unsuccessful answer means.</summary>
    public void Require(HttpResponseMessage response, HubReference model, string? file)
    {
        if (response.IsSuccessStatusCode)
        {
            return;
        }

        int status = (int)response.StatusCode;
        string what = file is null ? $"{model}" : $"{model}: {file}";
        string? code = Header(response, "X-Error-Code");
        string token = _settings.Token is null ? "set HF_TOKEN to a token that may read it" : "the token in HF_TOKEN may not read it";
        throw status switch
        {
            _ when code == "GatedRepo" => new InvalidDataException(
                $"{what}: the model is gated ({status}): ask for access on its page at the hub" + (_settings.Token is null ? " and set HF_TOKEN" : "")),
            401 => new InvalidDataException($"{what}: there is no such model, or it is private (401); {token}"),
            403 => new InvalidDataException($"{what}: access is denied (403); {token}"),
            404 when code == "RevisionNotFound" => new InvalidDataException($"{what}: the model has no revision '{model.Revision}' (404)"),
            404 => new InvalidDataException($"{what}: {(file is null ? "there is no such model or revision" : "there is no such file")} (404)"),
            408 or 429 or >= 500 => new HttpRequestException($"the hub answers {status}", null, response.StatusCode),
            _ => new InvalidDataException($"{what}: the hub answers {status}"),
        };
    }

    /// <summary>Whether a failure may pass by itself.</summary>
    public static bool MayPass(Exception error, CancellationToken cancellation) =>
        !cancellation.IsCancellationRequested && error is HttpRequestException or HttpIOException or OperationCanceledException;

    /// <summary>Waits before the next attempt; every wait is twice the one before, give or take a quarter.</summary>
    public Task PauseAsync(int attempt, CancellationToken cancellation)
    {
        double pause = Math.Min(_settings.FirstPause.TotalSeconds * Math.Pow(2, attempt), _settings.LongestPause.TotalSeconds);
#pragma warning disable CA5394 // Spreading clients over time needs no secrecy.
        return Task.Delay(TimeSpan.FromSeconds(pause * (0.75 + (0.5 * Random.Shared.NextDouble()))), cancellation);
#pragma warning restore CA5394
    }

    /// <summary>One sentence for a failure that did not pass.</summary>
    public IOException GiveUp(string what, Exception error)
    {
        string reason = error switch
        {
            OperationCanceledException => $"no answer within {_settings.Timeout.TotalSeconds:0.###} s",
            _ => error.Message.TrimEnd('.'),
        };
        return new IOException($"{what}: {_settings.Endpoint.Host} cannot be reached, or fails again and again: {reason}", error);
    }

    /// <inheritdoc />
    public void Dispose() => _http.Dispose();

    private string Base => _settings.Endpoint.AbsolutePath.TrimEnd('/') + "/";

    private Uri AddressOf(HubReference model, string commit, string file) =>
        new(_settings.Endpoint, $"{Base}{model.Id}/resolve/{commit}/{string.Join('/', file.Split('/').Select(Uri.EscapeDataString))}");

    private async Task<T> RepeatAsync<T>(string what, Func<CancellationToken, Task<T>> request, CancellationToken cancellation)
    {
        for (int attempt = 0; ; attempt++)
        {
            try
            {
                return await request(cancellation).ConfigureAwait(false);
            }
            catch (Exception error) when (MayPass(error, cancellation))
            {
                if (attempt + 1 >= _settings.Attempts)
                {
                    throw GiveUp(what, error);
                }

                await PauseAsync(attempt, cancellation).ConfigureAwait(false);
            }
        }
    }

    private async Task<HttpResponseMessage> SendAsync(HttpMethod method, Uri address, long? start, CancellationToken cancellation)
    {
        for (int step = 0; step < MostRedirects; step++)
        {
            HttpResponseMessage response = await SendOnceAsync(method, address, start, cancellation).ConfigureAwait(false);
            if (!IsRedirect(response))
            {
                return response;
            }

            using (response)
            {
                address = Next(address, response, address.AbsolutePath);
            }
        }

        throw new IOException($"{address.Host} redirects more than {MostRedirects} times");
    }

    private async Task<HttpResponseMessage> SendOnceAsync(HttpMethod method, Uri address, long? start, CancellationToken cancellation)
    {
        using var request = new HttpRequestMessage(method, address);
        if (_settings.Token is { } token && IsHub(address))
        {
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        }

        if (start is { } first)
        {
            request.Headers.Range = new RangeHeaderValue(first, null);
        }

        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(_settings.Timeout);
        return await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, limit.Token).ConfigureAwait(false);
    }

    private bool IsHub(Uri address) =>
        address.Scheme == _settings.Endpoint.Scheme && address.Host == _settings.Endpoint.Host && address.Port == _settings.Endpoint.Port;

    private static bool IsRedirect(HttpResponseMessage response) => (int)response.StatusCode is 301 or 302 or 303 or 307 or 308;

    private static Uri Next(Uri address, HttpResponseMessage response, string what)
    {
        Uri? location = response.Headers.Location;
        Uri? next = location is null ? null : new Uri(address, location);
        return next is not null && (next.Scheme == "https" || (next.Scheme == "http" && address.Scheme == "http"))
            ? next
            : throw new InvalidDataException($"{what}: the hub redirects to {(next is null ? "nowhere" : $"an address of the kind {next.Scheme}")}");
    }

    private async Task<byte[]> ReadListAsync(HttpResponseMessage response, CancellationToken cancellation)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(_settings.Timeout * 4);
        using var buffer = new MemoryStream();
        await using Stream stream = await response.Content.ReadAsStreamAsync(limit.Token).ConfigureAwait(false);
        byte[] chunk = new byte[1 << 16];
        for (int count = await stream.ReadAsync(chunk, limit.Token).ConfigureAwait(false); count > 0; count = await stream.ReadAsync(chunk, limit.Token).ConfigureAwait(false))
        {
            buffer.Write(chunk, 0, count);
            if (buffer.Length > MostListBytes)
            {
                throw new InvalidDataException($"{_settings.Endpoint.Host}: the list of files has more than {MostListBytes} bytes");
            }
        }

        return buffer.ToArray();
    }

    private static (string Commit, IReadOnlyList<string> Files) ParseList(byte[] body, HubReference model)
    {
        try
        {
            using var document = JsonDocument.Parse(body, new JsonDocumentOptions { MaxDepth = 64 });
            string? commit = document.RootElement.GetProperty("sha").GetString();
            var files = new List<string>();
            foreach (JsonElement item in document.RootElement.GetProperty("siblings").EnumerateArray())
            {
                string name = item.GetProperty("rfilename").GetString() ?? "";
                files.Add(SafetensorsIndex.IsSafe(name)
                    ? name
                    : throw new InvalidDataException($"{model}: the hub lists a file named {SafetensorsHeader.Quote(name)}, which does not stay inside a folder"));
            }

            return commit is not null && HubCache.IsCommit(commit)
                ? (commit, files)
                : throw new InvalidDataException($"{model}: the hub tells no commit of 40 hexadecimal digits");
        }
        catch (Exception error) when (error is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            throw new InvalidDataException($"{model}: the hub's list of files is not what it should be (sha, and siblings with rfilename)", error);
        }
    }

    private static string? Header(HttpResponseMessage response, string name) =>
        response.Headers.TryGetValues(name, out IEnumerable<string>? values) ? values.FirstOrDefault() : null;
}
