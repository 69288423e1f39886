using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;
using Tessera.Inference;
using Tessera.Inference.Chat;
using Tessera.Models.Templates;

namespace Tessera.Serving.Protocol;

/// <summary>A request that ends with an error in OpenAI's form: a status and <c>{"error": {message, type, param, code}}</c>.</summary>
/// <param name="status">HTTP status.</param>
/// <param name="message">One sentence.</param>
/// <param name="parameter">The field at fault, or null.</param>
/// <param name="code">A word for programs, or null.</param>
public sealed class ApiException(int status, string message, string? parameter = null, string? code = null) : Exception(message)
{
    /// <summary>HTTP status.</summary>
    public int Status => status;

    /// <summary>The field at fault, or null.</summary>
    public string? Parameter => parameter;

    /// <summary>A word for programs, or null.</summary>
    public string? Code => code;

    /// <summary>What a client is told about any failure. Only a defect of ours hides its message.</summary>
    /// <param name="error">What went wrong.</param>
    /// <param name="input">The field that holds the prompt.</param>
    internal static ApiException From(Exception error, string input) => error switch
    {
        ApiException known => known,
        BadHttpRequestException bad when bad.StatusCode == StatusCodes.Status413PayloadTooLarge => new ApiException(
            bad.StatusCode, "the body is larger than this server takes", code: "request_too_large"),
        BadHttpRequestException bad => new ApiException(bad.StatusCode, "the request is not valid HTTP"),
        PromptTooLongException => new ApiException(
            StatusCodes.Status400BadRequest, error.Message, input, "context_length_exceeded"),
        EngineBusyException => new ApiException(
            StatusCodes.Status503ServiceUnavailable, error.Message, code: "engine_overloaded"),
        EngineFailedException => new ApiException(StatusCodes.Status503ServiceUnavailable, error.Message, code: "engine_failed"),
        OperationCanceledException or ObjectDisposedException => new ApiException(
            StatusCodes.Status503ServiceUnavailable, "the server is stopping", code: "server_stopping"),
        TemplateException refused => new ApiException(
            StatusCodes.Status400BadRequest, $"the model's chat template refuses the request: {refused.Problem}", input),
        ArgumentException or InvalidDataException => new ApiException(StatusCodes.Status400BadRequest, error.Message, input),
        _ => new ApiException(StatusCodes.Status500InternalServerError, "the server failed to answer this request", code: "internal_error"),
    };

    /// <summary>The body, or the last event but one of a stream.</summary>
    internal JsonObject ToJson() => new()
    {
        ["error"] = new JsonObject
        {
            ["message"] = Message,
            ["type"] = status >= StatusCodes.Status500InternalServerError ? "server_error" : "invalid_request_error",
            ["param"] = parameter,
            ["code"] = code,
        },
    };
}
