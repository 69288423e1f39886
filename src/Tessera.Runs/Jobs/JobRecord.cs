using System.Text.Json.Serialization;

namespace Tessera.Runs.Jobs;

/// <summary>A file that a job left, and what it held.</summary>
/// <param name="Name">Path below the job folder's parent, with slashes.</param>
/// <param name="Bytes">Length.</param>
/// <param name="Sha256">Hash of the contents.</param>
public sealed record JobFile(string Name, long Bytes, string Sha256);

/// <summary>What is kept of a job that is done: values of any form, and the files it left.</summary>
/// <param name="Files">Files; they were on the disk before the record was.</param>
/// <param name="Values">Numbers by name, for instance losses; in the order in which they are to be read.</param>
public sealed record JobRecord(IReadOnlyList<JobFile> Files, IReadOnlyList<KeyValuePair<string, double[]>> Values)
{
    /// <summary>A record of numbers alone.</summary>
    public static JobRecord Of(params ReadOnlySpan<(string Name, double[] Numbers)> values)
    {
        var pairs = new List<KeyValuePair<string, double[]>>();
        foreach (var (name, numbers) in values)
        {
            pairs.Add(KeyValuePair.Create(name, numbers));
        }

        return new JobRecord([], pairs);
    }

    /// <summary>The numbers of a name; empty where there are none.</summary>
    public double[] Numbers(string name) => Values.FirstOrDefault(pair => pair.Key == name).Value ?? [];
}

/// <summary>Who works on a job, as its lease file says.</summary>
/// <param name="Owner">The process.</param>
/// <param name="ExpirySeconds">For how long a heartbeat counts: the file's time of change is renewed several times within it.</param>
internal sealed record JobLeaseFile(JobOwner Owner, double ExpirySeconds);

/// <summary>Generated reading and writing of what lies in a job folder.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(JobRecord))]
[JsonSerializable(typeof(JobLeaseFile))]
[JsonSerializable(typeof(JobTime))]
internal sealed partial class JobJson : JsonSerializerContext;
