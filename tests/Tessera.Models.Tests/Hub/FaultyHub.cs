using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;

namespace Tessera.Models.Tests.Hub;

/// <summary>What a request asked for.</summary>
internal sealed record HubRequest(string Method, string Path, string? Authorization, long? RangeStart)
{
    public bool IsContent => Method == "GET" && Path.Contains("/resolve/", StringComparison.Ordinal);
}

/// <summary>How an answer goes wrong; nothing set means that it does not.</summary>
internal sealed record Fault
{
    /// <summary>Answer with this status.</summary>
    public int Status { get; init; }

    /// <summary>The header X-Error-Code.</summary>
    public string? Code { get; init; }

    /// <summary>Close the connection after so many bytes of the body.</summary>
    public int? CutAfter { get; init; }

    /// <summary>Send everything, whatever range was asked for.</summary>
    public bool IgnoresRange { get; init; }

    /// <summary>Change the body's first byte.</summary>
    public bool Spoils { get; init; }

    /// <summary>Send so many bytes more than announced.</summary>
    public int Surplus { get; init; }

    /// <summary>Say nothing for so long before the answer, or after the bytes of <see cref="CutAfter"/>.</summary>
    public TimeSpan Stall { get; init; }

    /// <summary>Redirect to this address instead.</summary>
    public string? RedirectTo { get; init; }
}

/// <summary>A hub in this process, over plain sockets, so that answers can break anywhere.</summary>
internal sealed class FaultyHub : IDisposable
{
    public const string Commit = "0123456789abcdef0123456789abcdef01234567";

    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();

    public FaultyHub(string host = "127.0.0.1")
    {
        _listener.Start();
        Address = $"http://{host}:{((IPEndPoint)_listener.LocalEndpoint).Port}";
        _ = AcceptAsync();
    }

    public string Address { get; }

    /// <summary>Contents by name.</summary>
    public Dictionary<string, byte[]> Files { get; } = [];

    /// <summary>Names of files that are told by SHA-256, as large ones are; others by git's hash.</summary>
    public HashSet<string> Large { get; } = [];

    /// <summary>The body of the list of files, where it is not made of <see cref="Files"/>.</summary>
    public string? List { get; set; }

    /// <summary>Decides what goes wrong, by request and the number of requests of its kind before it.</summary>
    public Func<HubRequest, int, Fault?> Faults { get; set; } = (_, _) => null;

    /// <summary>All requests so far.</summary>
    public ConcurrentQueue<HubRequest> Requests { get; } = new();

    public IEnumerable<HubRequest> ContentsOf(string file) => Requests.Where(request => request.IsContent && request.Path.EndsWith("/" + file, StringComparison.Ordinal));

    public static string Hash(byte[] content, bool isLarge) => isLarge
        ? Convert.ToHexStringLower(SHA256.HashData(content))
#pragma warning disable CA5350 // Git's names are SHA-1.
        : Convert.ToHexStringLower(SHA1.HashData([.. Encoding.ASCII.GetBytes($"blob {content.Length}\0"), .. content]));
#pragma warning restore CA5350

    public void Dispose()
    {
        _stop.Cancel();
        _listener.Dispose();
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                _ = AnswerAsync(await _listener.AcceptTcpClientAsync(_stop.Token));
            }
            catch (Exception error) when (error is OperationCanceledException or SocketException or ObjectDisposedException)
            {
                return;
            }
        }
    }

    private async Task AnswerAsync(TcpClient client)
    {
        using (client)
        {
            try
            {
                NetworkStream stream = client.GetStream();
                HubRequest request = await ReadAsync(stream);
                int earlier = Requests.Count(other => other.Method == request.Method && other.Path == request.Path);
                Requests.Enqueue(request);
                await AnswerAsync(stream, request, Faults(request, earlier) ?? new Fault());
            }
            catch (Exception error) when (error is IOException or OperationCanceledException or ObjectDisposedException or SocketException)
            {
                // The client went away.
            }
        }
    }

    private static async Task<HubRequest> ReadAsync(NetworkStream stream)
    {
        var text = new StringBuilder();
        byte[] one = new byte[1];
        while (!text.ToString().EndsWith("\r\n\r\n", StringComparison.Ordinal) && await stream.ReadAsync(one) == 1)
        {
            text.Append((char)one[0]);
        }

        string[] lines = text.ToString().Split("\r\n");
        string? Header(string name) => lines.Select(line => line.Split(": ", 2))
            .FirstOrDefault(pair => pair.Length == 2 && pair[0].Equals(name, StringComparison.OrdinalIgnoreCase))?[1];
        string[] first = lines[0].Split(' ');
        string? range = Header("Range");
        return new HubRequest(
            first[0], Uri.UnescapeDataString(first[1]), Header("Authorization"),
            range is null ? null : long.Parse(range["bytes=".Length..].TrimEnd('-'), CultureInfo.InvariantCulture));
    }

    private async Task AnswerAsync(NetworkStream stream, HubRequest request, Fault fault)
    {
        if (fault.CutAfter is null && fault.Stall > TimeSpan.Zero)
        {
            await Task.Delay(fault.Stall, _stop.Token);
        }

        if (fault.Status != 0 || fault.RedirectTo is not null)
        {
            string extra = fault.RedirectTo is { } place ? $"Location: {place}\r\n" : fault.Code is { } code ? $"X-Error-Code: {code}\r\n" : "";
            string linked = fault.RedirectTo is not null && Find(request) is { } file ? Tags(file) : "";
            await WriteAsync(stream, $"HTTP/1.1 {(fault.RedirectTo is null ? fault.Status : 302)} No\r\n{extra}{linked}Content-Length: 0\r\nConnection: close\r\n\r\n");
        }
        else if (request.Path.StartsWith("/api/models/", StringComparison.Ordinal))
        {
            byte[] list = Encoding.UTF8.GetBytes(List ?? $$"""
                {"sha": "{{Commit}}", "siblings": [{{string.Join(", ", Files.Keys.Select(name => $$"""{"rfilename": "{{name}}"}"""))}}]}
                """);
            await WriteAsync(stream, $"HTTP/1.1 200 OK\r\nContent-Length: {list.Length}\r\nConnection: close\r\n\r\n");
            await stream.WriteAsync(list);
        }
        else if (Find(request) is { } name)
        {
            await SendAsync(stream, request, fault, name);
        }
        else
        {
            await WriteAsync(stream, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    }

    private string? Find(HubRequest request) => Files.Keys.FirstOrDefault(name => request.Path.EndsWith("/" + name, StringComparison.Ordinal));

    private string Tags(string name) => Large.Contains(name)
        ? $"X-Linked-Etag: \"{Hash(Files[name], true)}\"\r\nX-Linked-Size: {Files[name].Length}\r\nETag: \"something-else\"\r\n"
        : $"ETag: W/\"{Hash(Files[name], false)}\"\r\n";

    private async Task SendAsync(NetworkStream stream, HubRequest request, Fault fault, string name)
    {
        byte[] content = [.. Files[name]];
        long start = fault.IgnoresRange ? 0 : request.RangeStart ?? 0;
        if (fault.Spoils)
        {
            content[0] ^= 1;
        }

        byte[] body = [.. content[(int)start..], .. new byte[fault.Surplus]];
        string status = start > 0 ? $"206 Partial Content\r\nContent-Range: bytes {start}-{content.Length - 1}/{content.Length}" : "200 OK";
        await WriteAsync(stream, $"HTTP/1.1 {status}\r\n{Tags(name)}Content-Length: {body.Length}\r\nConnection: close\r\n\r\n");
        if (request.Method == "HEAD")
        {
            return;
        }

        await stream.WriteAsync(body.AsMemory(0, Math.Min(fault.CutAfter ?? body.Length, body.Length)));
        if (fault.CutAfter is not null)
        {
            await stream.FlushAsync();
            await Task.Delay(fault.Stall, _stop.Token);
        }
    }

    private static ValueTask WriteAsync(NetworkStream stream, string text) => stream.WriteAsync(Encoding.ASCII.GetBytes(text));
}
