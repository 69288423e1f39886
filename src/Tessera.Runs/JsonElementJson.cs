using System.Text.Json;
using System.Text.Json.Serialization;

namespace Tessera.Runs;

/// <summary>Generated contract of any JSON value.</summary>
[JsonSerializable(typeof(JsonElement))]
internal sealed partial class JsonElementJson : JsonSerializerContext
{
}
