using System.Text.Json.Serialization;

namespace Tessera.Runs;

/// <summary>How far a stage has come.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<RunStatus>))]
public enum RunStatus
{
    /// <summary>Started; running, interrupted or failed.</summary>
    [JsonStringEnumMemberName("started")]
    Started,

    /// <summary>All of the stage's outputs are in the folder.</summary>
    [JsonStringEnumMemberName("complete")]
    Complete,
}
